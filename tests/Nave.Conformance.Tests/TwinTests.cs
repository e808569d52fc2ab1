using Nave.Conformance.Tests.Harness;
using Nave.Tests;

namespace Nave.Conformance.Tests;

/// <summary>Twins of devices and modules, with clients that know nothing of Nave.</summary>
public sealed class TwinTests
{
    // The device SDK's transports that have twins.
    private static readonly string[] Transports = ["Mqtt", "MqttWs", "Amqp", "AmqpWs"];

    [Fact]
    [Conformance("device-mqtt", 7, 8, 9, 23, 24, 26)]
    [Conformance("service-rest", 14, 16, 17, 18, 19)]
    [Conformance("sdk-gotchas", 4)]
    public async Task Devices_and_modules_report_and_are_told_what_back_ends_desire()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping, "--set", "Testing:FaultInjection=true");

        var rows = await NodeClient.RunAsync(
            hub,
            "twins.mjs",
            TimeSpan.FromMinutes(5),
            new Dictionary<string, string> { ["NAVE_TRANSPORTS"] = string.Join(',', Transports) },
            stopping);

        Assert.All(Transports, transport => NodeClient.AssertRows(rows, $"transport {transport}", 1, 2));
        NodeClient.AssertRows(rows, "device-mqtt", 7, 8, 9, 24);
        NodeClient.AssertRows(rows, "service-rest", 14, 16, 17, 18, 19);
    }
}
