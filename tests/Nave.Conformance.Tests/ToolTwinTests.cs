using System.Text.Json.Nodes;
using Nave.Conformance.Tests.Harness;

namespace Nave.Conformance.Tests;

/// <summary><c>nave twin</c> as processes of their own.</summary>
public sealed class ToolTwinTests
{
    [Fact]
    public async Task A_twin_is_shown_updated_replaced_and_watched()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);
        await hub.CreateDeviceAsync("pump#1", stopping);

        (await NaveTool.RunAsync(hub, stopping, "twin", "update", "pump#1", "--tags", """{"site":"größer","old":1}""", "--set", "desired.rate=5")).Done();
        (await NaveTool.RunAsync(hub, stopping, "twin", "update", "pump#1", "--remove", "tags.old")).Done();
        var twin = JsonNode.Parse((await NaveTool.RunAsync(hub, stopping, "twin", "show", "pump#1", "--json")).Done())!;
        Assert.Equal(("""größer""", 1), ((string?)twin["tags"]!["site"], twin["tags"]!.AsObject().Count));
        Assert.Equal((5, 2), ((int)twin["properties"]!["desired"]!["rate"]!, (int)twin["properties"]!["desired"]!["$version"]!));

        // What show prints may be sent back.
        twin["properties"]!["desired"]!["rate"] = 7;
        (await NaveTool.RunAsync(hub, twin.ToJsonString(), stopping, "twin", "replace", "pump#1", "--file", "-", "--if-match", (string)twin["etag"]!)).Done();
        Assert.Contains("""{"rate":7}""", (await NaveTool.RunAsync(hub, stopping, "twin", "show", "pump#1")).Done());
        var stale = await NaveTool.RunAsync(hub, stopping, "twin", "update", "pump#1", "--set", "tags.a=1", "--if-match", (string)twin["etag"]!);
        Assert.Equal(1, stale.ExitCode);
        Assert.Contains("412", stale.Errors);
        Assert.Equal(2, (await NaveTool.RunAsync(hub, stopping, "twin", "update", "pump#1")).ExitCode);
        Assert.Contains("404", (await NaveTool.RunAsync(hub, stopping, "twin", "show", "pump#1", "--module", "none")).Errors);

        var watch = NaveTool.RunAsync(hub, stopping, "twin", "watch", "pump#1", "--interval", "100ms", "--count", "1", "--json");
        for (var i = 8; !watch.IsCompleted && i < 40; i++)
        {
            (await NaveTool.RunAsync(hub, stopping, "twin", "update", "pump#1", "--set", $"desired.rate={i}")).Done();
        }

        var change = JsonNode.Parse((await watch).Done().Split('\n')[0])!;
        Assert.Equal("desired.rate", (string?)change["path"]);
        Assert.True((int)change["after"]! > (int)change["before"]!);
    }
}
