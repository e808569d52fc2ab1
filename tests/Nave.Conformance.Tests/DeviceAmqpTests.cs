using Nave.Conformance.Tests.Harness;
using Nave.Tests;

namespace Nave.Conformance.Tests;

/// <summary>spec/device-amqp.md and spec/service-amqp.md as the Node SDKs see them, over AMQP and AMQP over WebSocket.</summary>
public sealed class DeviceAmqpTests
{
    [Fact]
    [Conformance("device-amqp", 1, 4, 12, 14, 16, 24, 28)]
    [Conformance("service-amqp", 6, 9, 10, 11, 12, 13, 18)]
    public async Task The_rows_of_the_checklists_hold_for_the_Node_clients()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);

        var results = await NodeClient.RunAsync(
            hub, "device-amqp.mjs", TimeSpan.FromMinutes(4), new Dictionary<string, string>(), stopping);

        NodeClient.AssertRows(results, "device-amqp", 1, 4, 12, 14, 16, 24, 28);
        NodeClient.AssertRows(results, "service-amqp", 6, 9, 10, 11, 12, 13, 18);
    }
}
