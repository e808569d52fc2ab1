using System.Text;
using System.Text.Json;
using Nave.Hub.Heartbeats;
using Nave.Tests;

namespace Nave.Hub.Tests.Heartbeats;

/// <summary>Which rule wins, which conditions and rules are read, and what messages say.</summary>
public sealed class HeartbeatRulesTests
{
    private static readonly HeartbeatTerms Fallback = new() { Source = "default", Every = TimeSpan.FromMinutes(10) };

    [Theory]
    [InlineData("{}", "default")]
    [InlineData("""{"site":"north"}""", "group:north")]
    [InlineData("""{"site":"north","kind":"pump"}""", "group:pumps")]
    [InlineData("""{"site":"north","monitor":{"every":5}}""", "tag")]
    [InlineData("""{"site":"north","monitor":{"every":"often"}}""", "group:north")]
    [Conformance("heartbeat-monitoring", 6)]
    public void A_tag_goes_before_a_group_and_a_group_before_the_default(string tags, string source)
    {
        var rules = new HeartbeatRules(
            [
                Rule("north", """{"every":60,"condition":"tags.site = 'north'"}"""),
                Rule("pumps", """{"every":30,"condition":"tags.kind = 'pump' AND tags.site != 'south'","priority":1}"""),
            ],
            Fallback,
            "site");

        var (terms, group) = rules.Resolve("any", Encoding.UTF8.GetBytes(tags));

        Assert.Equal(source, terms.Source);
        Assert.Equal(tags.Contains("north") ? "north" : null, group);
    }

    [Theory]
    [InlineData("tags.site = 'north'", true)]
    [InlineData("tags.site != 'north'", false)]
    [InlineData("TAGS.site = 'north' and tags.floor = 3", true)]
    [InlineData("tags.floor = 4", false)]
    [InlineData("tags.place.room = 'it''s'", true)]
    [InlineData("tags.isWet = true", true)]
    [InlineData("tags.absent != 'x'", false)]
    [InlineData("deviceId = 'pump-7'", true)]
    [InlineData("STARTS_WITH(deviceId, 'pump-')", true)]
    [InlineData("STARTS_WITH(deviceId, 'valve-')", false)]
    public void Conditions_compare_tags_and_the_device_id(string text, bool matches)
    {
        Assert.True(RuleCondition.TryParse(text, out var condition, out var problem), problem);
        using var tags = JsonDocument.Parse("""{"site":"north","floor":3,"place":{"room":"it's"},"isWet":true}""");

        Assert.Equal(matches, condition.Matches("pump-7", tags.RootElement));
    }

    [Theory]
    [InlineData("")]
    [InlineData("tags.site")]
    [InlineData("tags.site = north")]
    [InlineData("tags.site = 'north' OR tags.site = 'south'")]
    [InlineData("tags.site = 'north' AND")]
    [InlineData("properties.reported.x = 1")]
    public void Other_conditions_are_refused(string text) => Assert.False(RuleCondition.TryParse(text, out _, out _));

    [Theory]
    [InlineData("""{"condition":"tags.a = 1"}""", "every")]
    [InlineData("""{"every":-1,"condition":"tags.a = 1"}""", "every")]
    [InlineData("""{"every":60}""", "condition")]
    [InlineData("""{"every":60,"condition":"tags.a = 1","often":true}""", "often")]
    [InlineData("""{"every":60,"condition":"tags.a = 1","counts":"pings"}""", "counts")]
    [InlineData("""{"every":60,"condition":"tags.a = 1","missedAllowed":0}""", "missedAllowed")]
    public void A_rule_with_a_mistake_is_refused_and_names_it(string body, string named)
    {
        using var json = JsonDocument.Parse(body);

        Assert.False(HeartbeatRule.TryRead("pumps", json.RootElement, out _, out var problem));
        Assert.Contains(named, problem);
    }

    [Fact]
    public void A_rule_is_read_as_it_was_written()
    {
        const string Body = """{"name":"pumps","every":60,"missedAllowed":3,"grace":1,"firstContactWithin":3600,"maxEvery":120,"maxSleep":900,"counts":"any","condition":"tags.kind = 'pump'","priority":2}""";

        Assert.True(JsonElement.DeepEquals(
            JsonDocument.Parse(Body).RootElement, JsonDocument.Parse(Rule("pumps", Body).ToJson().ToJsonString()).RootElement));
    }

    [Fact]
    public void Only_a_marked_message_is_a_heartbeat_and_only_a_heartbeat_chooses()
    {
        Assert.Null(HeartbeatSignal.TryRead([new("every", "60"), new("heartbeat", "false")], null));
        var beat = HeartbeatSignal.TryRead([new("heartbeat", "1"), new("every", "60"), new("sleepUntil", "2026-05-04T12:00:00Z")], null)!;
        Assert.Equal((true, TimeSpan.FromMinutes(1)), (beat.IsHeartbeat, beat.Every));
        Assert.Equal(12, beat.SleepUntil!.Value.UtcDateTime.Hour);
        Assert.True(HeartbeatSignal.TryRead([new("messageType", "heartbeat")], null)!.IsHeartbeat);
        Assert.Null(HeartbeatSignal.TryRead([new("heartbeat", "1"), new("every", "-5")], null)!.Every);
    }

    private static HeartbeatRule Rule(string name, string body)
    {
        using var json = JsonDocument.Parse(body);
        Assert.True(HeartbeatRule.TryRead(name, json.RootElement, out var rule, out var problem), problem);
        return rule;
    }
}
