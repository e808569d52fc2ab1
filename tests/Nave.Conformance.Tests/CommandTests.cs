using Nave.Conformance.Tests.Harness;
using Nave.Tests;

namespace Nave.Conformance.Tests;

/// <summary>Cloud-to-device messages, with clients that know nothing of Nave.</summary>
public sealed class CommandTests
{
    private static readonly string[] Transports = ["Mqtt", "MqttWs", "Amqp", "AmqpWs", "Http"];
    private const int MaxDeliveryCount = 2;

    [Fact]
    [Conformance("messaging-semantics", 1, 3, 5, 8)]
    [Conformance("service-amqp", 11, 12, 15)]
    [Conformance("device-amqp", 14)]
    [Conformance("device-http", 4, 6, 7, 8, 11, 15)]
    [Conformance("device-mqtt", 22)]
    public async Task Every_transport_of_the_device_SDK_receives_and_settles_and_the_sender_hears_of_it()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping, "--set", $"CloudToDevice:MaxDeliveryCount={MaxDeliveryCount}");
        var devices = new List<string>();
        foreach (var name in Transports.Concat(["queue", "given-up"]))
        {
            devices.Add(await hub.CreateDeviceAsync($"c2d-{name}", stopping));
        }

        var rows = await NodeClient.RunAsync(
            hub,
            "commands.mjs",
            TimeSpan.FromMinutes(4),
            new Dictionary<string, string> { ["NAVE_DEVICES"] = string.Join('\n', devices), ["NAVE_MAX_DELIVERY_COUNT"] = $"{MaxDeliveryCount}" },
            stopping);

        foreach (var name in Transports)
        {
            NodeClient.AssertRows(rows, $"transport {name}", 1);
        }

        NodeClient.AssertRows(rows, "messaging-semantics", 1, 3, 5, 8);
        NodeClient.AssertRows(rows, "device-http", 15);
        NodeClient.AssertRows(rows, "service-amqp", 12, 15);
    }
}
