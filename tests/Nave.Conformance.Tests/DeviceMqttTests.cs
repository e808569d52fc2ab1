using System.Diagnostics;
using Nave.Conformance.Tests.Harness;
using Nave.Mqtt;
using Nave.Protocol.Access;
using Nave.Tests;

namespace Nave.Conformance.Tests;

/// <summary>spec/device-mqtt.md as outside clients see it: raw packets, mqtt.js, the Node device SDK, mosquitto_pub.</summary>
public sealed class DeviceMqttTests
{
    private static readonly int[] Rows = [1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 16, 17, 18, 25, 30, 31, 32, 33, 34];

    [Fact]
    [Conformance("device-mqtt", 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 16, 17, 18, 25, 30, 31, 32, 33, 34)]
    public async Task The_rows_of_the_checklist_hold_for_raw_packets_and_the_Node_clients()
    {
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);

        var results = await NodeClient.RunAsync(
            hub, "device-mqtt.cjs", TimeSpan.FromMinutes(4), new Dictionary<string, string>(), stopping);

        NodeClient.AssertRows(results, "device-mqtt", Rows);
    }

    [Fact]
    [Conformance("device-mqtt", 6)]
    public async Task PINGREQ_is_answered_within_a_second_while_ten_megabytes_of_commands_are_queued()
    {
        const int commands = 160;
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping, "--set", "CloudToDevice:MaxQueued=1000");
        var key = (await hub.CreateDeviceAsync("slow", stopping)).Split("SharedAccessKey=")[1];
        using var service = hub.CreateHttpClient("service");
        for (var i = 0; i < commands; i++)
        {
            using var body = new ByteArrayContent(new byte[65_000]);
            using var answer = await service.PostAsync("devices/slow/messages/deviceBound?api-version=2021-04-12", body, stopping);
            Assert.Equal(System.Net.HttpStatusCode.NoContent, answer.StatusCode);
        }

        await using var tls = await MqttDoor.OpenAsync(hub, stopping);
        var token = SasToken.Mint($"{hub.Address}/devices/slow", key, TimeProvider.System.GetUtcNow().AddHours(1));
        await MqttDoor.ConnectAsync(hub, tls, "slow", token, stopping);
        await MqttDoor.WriteAsync(tls, new SubscribePacket { PacketId = 1, Subscriptions = [new("devices/slow/messages/devicebound/#", 1)] }, stopping);
        await MqttDoor.ReadUntilAsync(tls, PacketType.Publish, stopping); // They are flowing, and nobody acknowledges them.

        var clock = Stopwatch.StartNew();
        await tls.WriteAsync(new byte[] { 0xc0, 0 }, stopping);
        await MqttDoor.ReadUntilAsync(tls, PacketType.PingResp, stopping);

        Assert.InRange(clock.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task Mosquitto_sends_telemetry_and_meets_each_refusal()
    {
        Assert.SkipUnless(MosquittoPub.IsInstalled, "mosquitto_pub is not installed: run ./nave test, or apt install mosquitto-clients.");
        var stopping = TestContext.Current.CancellationToken;
        await using var hub = await OutsideHub.StartAsync(stopping);
        var device = await MosquittoPub.CreateAsync(hub, "mosquitto", stopping);
        var events = "devices/mosquitto/messages/events/a=1";

        Assert.Contains("received PUBACK", await device.PublishAsync(events, qos: 1, device.Token(), stopping), StringComparison.Ordinal);
        Assert.Contains("not authorised", await device.PublishAsync(events, qos: 1, device.Token(key: MosquittoPub.ForeignKey), stopping), StringComparison.Ordinal);
        Assert.Contains("not authorised", await device.PublishAsync(events, qos: 1, device.Token(validFor: TimeSpan.FromDays(-1)), stopping), StringComparison.Ordinal);
        Assert.DoesNotContain("PUBREC", await device.PublishAsync(events, qos: 2, device.Token(), stopping), StringComparison.Ordinal);
        Assert.DoesNotContain("PUBACK", await device.PublishAsync("devices/other/messages/events/", qos: 1, device.Token(), stopping), StringComparison.Ordinal);
    }
}
