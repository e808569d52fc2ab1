using System.Text.Json.Nodes;
using Nave.Conformance.Tests.Harness;
using Nave.Hub.Hosting;
using Nave.Tests;

namespace Nave.Conformance.Tests;

/// <summary>Operations events and heartbeat events as @azure/event-hubs and the tool read them, and what the tool says of why.</summary>
public sealed class OperationsTests
{
    [Fact]
    [Conformance("messaging-semantics", 24, 25, 26, 27, 29)]
    [Conformance("heartbeat-monitoring", 18, 20)]
    public async Task Connects_that_fail_and_all_others_where_asked_for_reach_the_operations_endpoint()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(
            stopping, "--set", "Operations:Connections=information", "--set", "Events:Sources=DeviceHeartbeatEvents");

        NodeClient.AssertRows(await RunAsync(hub, "information", stopping), null, 24, 25, 26, 27, 29, 18);
    }

    [Fact]
    [Conformance("messaging-semantics", 26)]
    public async Task Only_what_fails_is_told_by_default_and_the_tool_shows_it_and_why()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);

        NodeClient.AssertRows(await RunAsync(hub, "error", stopping), null, 24, 25, 26, 27, 29);

        var shown = JsonNode.Parse((await NaveTool.RunAsync(
            hub, stopping, "operations", "monitor", "--from", "start", "--count", "1", "--timeout", "30s", "--json")).Done())!;
        Assert.Equal("wrong", (string?)shown["body"]!["deviceId"]);
        var why = (await NaveTool.RunAsync(hub, stopping, "why", "wrong")).Done();
        Assert.Contains("signature mismatch", why);
        Assert.Contains("To mend it: compare the key that the device has with: nave device show wrong", why);
        Assert.Contains("nave device create nobody", (await NaveTool.RunAsync(hub, stopping, "why", "--recent")).Done());
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 22)]
    public async Task The_dashboard_needs_nothing_but_the_hub_and_shows_the_figures_of_its_api()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);
        var environment = new Dictionary<string, string>
        {
            ["NAVE_OPERATOR"] = $"http://{hub.Address}:{hub.Connection.GetProperty("ports").GetProperty("operator").GetInt32()}",
            ["NAVE_OPERATOR_TOKEN"] = OperatorFile.Find(hub.Data)!.Token,
        };

        NodeClient.AssertRows(await NodeClient.RunAsync(hub, "dashboard.mjs", TimeSpan.FromMinutes(1), environment, stopping), null, 22);
    }

    private static Task<IReadOnlyList<RowResult>> RunAsync(OutsideHub hub, string level, CancellationToken stopping) =>
        NodeClient.RunAsync(
            hub, "operations.mjs", TimeSpan.FromMinutes(3), new Dictionary<string, string> { ["NAVE_LEVEL"] = level }, stopping);
}
