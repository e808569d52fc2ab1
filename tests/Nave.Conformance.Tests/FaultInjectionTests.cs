using Nave.Conformance.Tests.Harness;
using Nave.Tests;

namespace Nave.Conformance.Tests;

/// <summary>Reconnect logic of the Node device SDK, tried with the faults that it can ask a hub for (spec/sdk-gotchas.md 6).</summary>
public sealed class FaultInjectionTests
{
    [Fact]
    [Conformance("sdk-gotchas", 11, 13, 14)]
    public async Task The_Node_clients_come_back_after_every_fault_they_ask_for()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping, "--set", "Testing:FaultInjection=true");

        var rows = await NodeClient.RunAsync(hub, "faults.mjs", TimeSpan.FromMinutes(4), new Dictionary<string, string>(), stopping);

        NodeClient.AssertRows(rows, null, 11, 13, 14);
        var bodies = (await new EventsReader(hub, partitions: 4).ReadNewAsync()).ConvertAll(e => e.Body);
        Assert.Single(bodies, "once");
        Assert.DoesNotContain("wish", bodies);
    }
}
