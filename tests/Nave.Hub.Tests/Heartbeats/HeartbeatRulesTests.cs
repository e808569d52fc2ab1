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
    [InlineData("{}", false, "default")]
    [InlineData("""{"site":"north"}""", true, "group:north")]
    [InlineData("""{"site":"north","monitor":{"every":5}}""", true, "tag")]
    [InlineData("""{"site":"north","monitor":{"every":"often"}}""", true, "group:north")]
    [Conformance("heartbeat-monitoring", 6)]
    public void A_tag_goes_before_a_group_and_a_group_before_the_default(string tags, bool isMatched, string source)
    {
        var north = Rule("north", """{"every":60,"condition":"tags.site = 'north'"}""");
        var rules = new HeartbeatRules([north], Fallback, "site");

        var (terms, group) = rules.Resolve(Encoding.UTF8.GetBytes(tags), isMatched ? north : null);

        Assert.Equal(source, terms.Source);
        Assert.Equal(tags.Contains("north") ? "north" : null, group);
    }

    [Fact]
    public void Of_two_rules_for_one_device_the_higher_goes_first_and_then_the_first_by_name() => Assert.Equal(
        ["pumps", "east", "north"],
        new HeartbeatRules(
            [
                Rule("north", """{"every":60,"condition":"tags.site = 'north'"}"""),
                Rule("pumps", """{"every":30,"condition":"tags.kind = 'pump'","priority":1}"""),
                Rule("east", """{"every":30,"condition":"tags.kind = 'pump'"}"""),
            ],
            Fallback,
            "site").Groups.Select(rule => rule.Name));

    [Theory]
    [InlineData("tags.site = 'north' OR NOT IS_DEFINED(tags.site)", false)]
    [InlineData("STARTSWITH(deviceId, 'pump-') AND tags.floor IN [1, 2]", false)]
    [InlineData("properties.reported.power = 'battery'", true)]
    [InlineData("status = 'enabled'", false)]
    public void Conditions_are_those_of_the_query_language(string text, bool readsProperties)
    {
        Assert.True(RuleCondition.TryParse(text, out var condition, out var problem), problem);

        Assert.Equal(readsProperties, condition.ReadsProperties);
    }

    [Theory]
    [InlineData("", "for which devices")]
    [InlineData("tags.site = ", "invalid")]
    [InlineData("STARTS_WITH(deviceId, 'a')", "STARTSWITH")]
    [InlineData("FROM devices.modules WHERE moduleId = 'a'", "devices")]
    [InlineData("monitor.state = 'offline'", "monitor")]
    [InlineData("tags.a = 1 AND (connectionState = 'Connected' OR tags.b = 2)", "connectionState")]
    [InlineData("NOT lastActivityTime > '2026'", "lastActivityTime")]
    public void What_moves_without_a_change_decides_nothing(string text, string named)
    {
        Assert.False(RuleCondition.TryParse(text, out _, out var problem));
        Assert.Contains(named, problem);
    }

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
