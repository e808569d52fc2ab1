using System.Text.Json.Nodes;
using Nave.Cli.Commands;

namespace Nave.Cli.Tests;

/// <summary>What <c>nave twin</c> makes of words and of two versions of a twin.</summary>
public sealed class TwinWatchTests
{
    [Fact]
    public void Differences_are_told_path_by_path_without_what_the_hub_writes()
    {
        var before = JsonNode.Parse(
            """{"version":2,"connectionState":"Disconnected","tags":{"site":"n","old":1},"properties":{"desired":{"a":{"b":1},"$version":1,"$metadata":{}},"reported":{"$version":1}}}""");
        var after = JsonNode.Parse(
            """{"version":5,"connectionState":"Connected","tags":{"site":"s"},"properties":{"desired":{"a":{"b":1,"c":[2]},"$version":2,"$metadata":{"x":1}},"reported":{"a":null,"t":7,"$version":2}}}""");

        Assert.Equal(
            ["tags.site: n -> s", "tags.old: 1 -> ", "desired.a.c:  -> [2]", "reported.t:  -> 7", "connection: Disconnected -> Connected"],
            TwinWatch.Differences(before, after).Select(d => $"{d.Path}: {d.Before} -> {(d.After as JsonArray)?.ToJsonString() ?? d.After?.ToString()}"));
        Assert.Empty(TwinWatch.Differences(after, after));
    }

    [Theory]
    [InlineData("desired.rate=5", """{"properties":{"desired":{"rate":5}}}""")]
    [InlineData("tags.a.b=north", """{"tags":{"a":{"b":"north"}}}""")]
    [InlineData("""desired.x={"y":[1,true]}""", """{"properties":{"desired":{"x":{"y":[1,true]}}}}""")]
    [InlineData("tags.text=\"5\"", """{"tags":{"text":"5"}}""")]
    public void A_path_and_a_value_become_a_patch(string assignment, string expected)
    {
        var body = new JsonObject();
        var equals = assignment.IndexOf('=', StringComparison.Ordinal);

        TwinChanges.Put(body, "--set", assignment[..equals], TwinChanges.ReadValue(assignment[(equals + 1)..]));

        Assert.Equal(expected, body.ToJsonString());
    }

    [Theory]
    [InlineData("rate")]
    [InlineData("tags")]
    [InlineData("reported.a")]
    [InlineData("desired..a")]
    public void Other_paths_are_wrong_usage(string path) =>
        Assert.True(Assert.Throws<CommandFailedException>(() => TwinChanges.Put([], "--set", path, 1)).IsUsage);
}
