using Nave.Conformance.Tests.Harness;
using Nave.Tests;

namespace Nave.Conformance.Tests;

/// <summary>Events besides telemetry, as @azure/event-hubs reads them.</summary>
public sealed class ChangeEventTests
{
    [Fact]
    [Conformance("messaging-semantics", 19, 20, 21)]
    public async Task The_sources_that_are_wanted_reach_the_events_endpoint()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(
            stopping,
            "--set", "Events:Sources=TwinChangeEvents,DeviceLifecycleEvents,DeviceConnectionStateEvents,DigitalTwinChangeEvents",
            "--set", "Events:ConnectionStateInterval=1s");

        NodeClient.AssertRows(await RunAsync(hub, "all", stopping), null, 19, 20, 21);
    }

    [Fact]
    [Conformance("messaging-semantics", 22)]
    public async Task A_hub_that_nobody_asked_for_them_sends_none()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);

        NodeClient.AssertRows(await RunAsync(hub, "none", stopping), null, 22);
    }

    private static Task<IReadOnlyList<RowResult>> RunAsync(OutsideHub hub, string wanted, CancellationToken stopping) =>
        NodeClient.RunAsync(
            hub, "change-events.mjs", TimeSpan.FromMinutes(2), new Dictionary<string, string> { ["NAVE_WANTED"] = wanted }, stopping);
}
