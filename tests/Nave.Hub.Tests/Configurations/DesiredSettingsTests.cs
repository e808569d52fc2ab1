using System.Text.Json;
using System.Text.Json.Nodes;
using Nave.Hub.Configurations;

namespace Nave.Hub.Tests.Configurations;

public sealed class DesiredSettingsTests
{
    // The section, the settings from the weakest to the strongest, those of the past, and the patch that follows.
    [Theory]
    [InlineData("{}", """{"properties.desired.a":1}""", "{}", "{}", """{"a":1}""")]
    [InlineData("""{"a":1}""", """{"properties.desired.a":1}""", "{}", "{}", null)]
    [InlineData("""{"a":1.0}""", """{"properties.desired.a":1}""", "{}", "{}", null)]
    [InlineData("""{"a":5,"b":6}""", """{"properties.desired.a":1}""", "{}", "{}", """{"a":1}""")]
    [InlineData("{}", """{"properties.desired.a":1}""", """{"properties.desired.a":2}""", "{}", """{"a":2}""")]
    [InlineData("{}", """{"properties.desired.a":{"x":1,"y":1}}""", """{"properties.desired.a.x":2}""", "{}", """{"a":{"x":2,"y":1}}""")]
    [InlineData("{}", """{"properties.desired.a.x":2}""", """{"properties.desired.a":{"y":1}}""", "{}", """{"a":{"y":1}}""")]
    [InlineData("{}", """{"properties.desired.a.x":1}""", """{"properties.desired.a.y":2}""", "{}", """{"a":{"x":1,"y":2}}""")]
    [InlineData("""{"a":{"mine":1,"x":1}}""", """{"properties.desired.a.x":2}""", "{}", "{}", """{"a":{"x":2}}""")]
    [InlineData("""{"a":{"mine":1}}""", """{"properties.desired.a":{"x":1}}""", "{}", "{}", """{"a":{"mine":null,"x":1}}""")]
    [InlineData("""{"a":7}""", """{"properties.desired.a.x":1}""", "{}", "{}", """{"a":{"x":1}}""")]
    [InlineData("""{"mine":1}""", """{"properties.desired":{"a":1}}""", "{}", "{}", """{"mine":null,"a":1}""")]
    [InlineData("""{"a":[1,2]}""", """{"properties.desired.a":[1,3]}""", "{}", "{}", """{"a":[1,3]}""")]
    [InlineData("""{"a":1,"b":2}""", "{}", "{}", """{"properties.desired.a":1}""", """{"a":null}""")]
    [InlineData("""{"b":2}""", "{}", "{}", """{"properties.desired.a":1}""", null)]
    [InlineData("""{"a":1}""", """{"properties.desired.a":1}""", "{}", """{"properties.desired.a":9}""", null)]
    [InlineData("""{"a":{"x":1,"y":2}}""", """{"properties.desired.a.x":1}""", "{}", """{"properties.desired.a":{}}""", """{"a":{"y":null}}""")]
    [InlineData("""{"a":{"x":1,"y":2}}""", """{"properties.desired.a":{"x":1,"y":2}}""", "{}", """{"properties.desired.a.y":2}""", null)]
    [InlineData("""{"a":{"b":{"x":1,"y":2}},"c":3}""", """{"properties.desired.a.b.x":1}""", "{}", """{"properties.desired":{}}""", """{"c":null,"a":{"b":{"y":null}}}""")]
    public void The_patch_makes_the_section_what_is_wanted(string section, string weak, string strong, string past, string? expected)
    {
        var settings = new DesiredSettings();
        foreach (var setting in Read(weak).Concat(Read(strong)))
        {
            settings.Set(setting);
        }

        foreach (var setting in Read(past))
        {
            settings.GiveUp(setting);
        }

        var patch = settings.Patch(JsonNode.Parse(section)!.AsObject());

        Assert.True(JsonNode.DeepEquals(expected is null ? null : JsonNode.Parse(expected), patch), patch?.ToJsonString() ?? "no patch");
    }

    [Fact]
    public void Putting_settings_over_each_other_leaves_them_as_they_were()
    {
        var weak = Read("""{"properties.desired.a":{"x":1}}""");
        var settings = new DesiredSettings();
        settings.Set(weak[0]);
        settings.Set(Read("""{"properties.desired.a.x":2}""")[0]);

        Assert.Equal("""{"x":1}""", weak[0].Value.ToJsonString());
    }

    [Theory]
    [InlineData("""{"desired.a":1}""")]
    [InlineData("""{"properties.reported.a":1}""")]
    [InlineData("""{"properties.desiredx":{}}""")]
    [InlineData("""{"properties.desired":1}""")]
    [InlineData("""{"properties.desired.a":null}""")]
    [InlineData("""{"properties.desired.a..b":1}""")]
    [InlineData("""{"properties.desired.a b":1}""")]
    [InlineData("""{"properties.desired.a":{"$x":1}}""")]
    [InlineData("""{"properties.desired.a":4503599627370496}""")]
    [InlineData("""{"properties.desired.a.b.c.d.e.f.g.h.i.j.k":{"l":1}}""")]
    [InlineData("[]")]
    public void Content_that_no_twin_may_have_is_refused(string settings)
    {
        using var json = JsonDocument.Parse(settings);

        Assert.Equal(400402, (int?)TwinSetting.ReadAll(json.RootElement).Failure?.Code);
    }

    private static IReadOnlyList<TwinSetting> Read(string settings)
    {
        using var json = JsonDocument.Parse(settings);
        var outcome = TwinSetting.ReadAll(json.RootElement);
        Assert.True(outcome.Value is not null, outcome.Failure?.Message);
        return outcome.Value;
    }
}
