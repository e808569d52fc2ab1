using Nave.Conformance.Tests.Harness;
using Nave.Tests;

namespace Nave.Conformance.Tests;

/// <summary>Direct methods, and twins over AMQP, with clients that know nothing of Nave.</summary>
public sealed class MethodTests
{
    private static readonly string[] Transports = ["Mqtt", "MqttWs", "Amqp", "AmqpWs"];

    [Fact]
    [Conformance("service-rest", 20, 21, 22, 23)]
    [Conformance("device-mqtt", 27, 28)]
    [Conformance("device-amqp", 18, 19, 20, 28)]
    [Conformance("sdk-gotchas", 6, 7)]
    public async Task Devices_and_modules_answer_over_every_transport_of_the_SDK_and_have_their_twins_over_AMQP()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);

        var rows = await NodeClient.RunAsync(hub, "methods.mjs", TimeSpan.FromMinutes(4), new Dictionary<string, string>(), stopping);

        foreach (var name in Transports)
        {
            NodeClient.AssertRows(rows, $"transport {name}", 1);
            NodeClient.AssertRows(rows, $"module {name}", 1);
        }

        foreach (var name in Transports[2..])
        {
            NodeClient.AssertRows(rows, $"twin device {name}", 1);
            NodeClient.AssertRows(rows, $"twin module {name}", 1);
        }

        NodeClient.AssertRows(rows, "connect timeout", 1);
        NodeClient.AssertRows(rows, "service-rest", 20, 21, 22, 23);
        NodeClient.AssertRows(rows, "device-mqtt", 28);
        NodeClient.AssertRows(rows, "sdk-gotchas", 6, 7);
    }
}
