using System.Buffers;
using System.Text;
using System.Text.Json;
using Nave.Conformance.Tests.Harness;
using Nave.Mqtt;
using Nave.Tests;

namespace Nave.Conformance.Tests;

/// <summary>Devices with a pre-shared key, played by mosquitto and OpenSSL, through a gateway to a hub: three programs.</summary>
public sealed class PskDeviceTests
{
    private const int Kills = 5;
    private const int AcknowledgedBeforeEachKill = 200;
    private const int Partitions = 4;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static readonly Dictionary<string, string> OneDevice = new() { ["AA:BB:01"] = "psk-dev" };

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    [Fact]
    [Conformance("tls-psk", 1)]
    public async Task Mosquitto_publishes_and_the_event_has_the_device_that_the_identity_stands_for()
    {
        Assert.SkipUnless(MosquittoPub.IsInstalled, "mosquitto_pub is not installed");
        await using var hub = await StartHubAsync("psk-dev");
        var (gateway, keys) = await OutsidePskGateway.StartAsync(hub, OneDevice, Stopping);
        await using var _ = gateway;

        var printed = await MosquittoAsync("mosquitto_pub", gateway, keys, "-q", "1", "-t", "devices/psk-dev/messages/events/colour=red", "-m", "hello");

        Assert.Contains("PUBACK", printed, StringComparison.Ordinal);
        var (device, body, _) = Assert.Single(await new EventsReader(hub, Partitions).ReadNewAsync());
        Assert.Equal(("psk-dev", "hello"), (device, body));
        Assert.DoesNotContain(keys["AA:BB:01"], gateway.Output, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    [Conformance("tls-psk", 2)]
    public async Task Mosquitto_receives_a_command_and_it_completes()
    {
        Assert.SkipUnless(MosquittoPub.IsInstalled, "mosquitto_sub is not installed");
        await using var hub = await StartHubAsync("psk-dev");
        var (gateway, keys) = await OutsidePskGateway.StartAsync(hub, OneDevice, Stopping);
        await using var _ = gateway;

        // One message, then it leaves: its PUBACK is the last thing before its DISCONNECT.
        var subscriber = MosquittoAsync("mosquitto_sub", gateway, keys, "-q", "1", "-C", "1", "-t", "devices/psk-dev/messages/devicebound/#");
        var sent = await NaveTool.RunAsync(hub, Stopping, "c2d", "send", "psk-dev", "reboot", "--wait-feedback", "--timeout", "30s");

        Assert.Contains("Success", sent.Done(), StringComparison.Ordinal);
        Assert.Contains("reboot", await subscriber, StringComparison.Ordinal);
    }

    [Fact]
    [Conformance("tls-psk", 8)]
    public async Task A_device_that_the_hub_does_not_know_or_has_disabled_gets_CONNACK_5()
    {
        Assert.SkipUnless(PskStream.IsInstalled, "openssl is not installed");
        await using var hub = await StartHubAsync("psk-off");
        await DisableAsync(hub, "psk-off");
        var (gateway, keys) = await OutsidePskGateway.StartAsync(
            hub, new Dictionary<string, string> { ["off"] = "psk-off", ["nobody"] = "psk-nobody" }, Stopping);
        await using var _ = gateway;

        var (disabled, disabledCode) = await PskStream.ConnectAsync(gateway, "off", keys["off"], "psk-off", Stopping);
        var (absent, absentCode) = await PskStream.ConnectAsync(gateway, "nobody", keys["nobody"], "psk-nobody", Stopping);

        // The handshake was done: the answer came through it.
        Assert.Equal((5, 5), (disabledCode, absentCode));
        await disabled.DisposeAsync();
        await absent.DisposeAsync();
    }

    [Fact]
    [Conformance("tls-psk", 9)]
    public async Task A_device_that_is_disabled_is_cut_and_only_this_one()
    {
        Assert.SkipUnless(PskStream.IsInstalled, "openssl is not installed");
        await using var hub = await StartHubAsync("psk-a", "psk-b");
        var (gateway, keys) = await OutsidePskGateway.StartAsync(hub, new Dictionary<string, string> { ["a"] = "psk-a", ["b"] = "psk-b" }, Stopping);
        await using var _ = gateway;
        var (disabled, first) = await PskStream.ConnectAsync(gateway, "a", keys["a"], "psk-a", Stopping);
        var (other, second) = await PskStream.ConnectAsync(gateway, "b", keys["b"], "psk-b", Stopping);
        Assert.Equal((0, 0), (first, second));

        await DisableAsync(hub, "psk-a");

        Assert.Equal(0, await disabled.ReadAsync(new byte[16], Stopping).AsTask().WaitAsync(TimeSpan.FromSeconds(5), Stopping));
        await PublishAsync(other, "psk-b", 7);
        Assert.Equal(7, await ReadPubAckAsync(other));
        await disabled.DisposeAsync();
        await other.DisposeAsync();
    }

    [Fact]
    [Conformance("tls-psk", 16)]
    public async Task A_device_that_connects_twice_keeps_the_newer_connection()
    {
        Assert.SkipUnless(PskStream.IsInstalled, "openssl is not installed");
        await using var hub = await StartHubAsync("psk-dev");
        var (gateway, keys) = await OutsidePskGateway.StartAsync(hub, OneDevice, Stopping);
        await using var _ = gateway;
        var (older, _) = await PskStream.ConnectAsync(gateway, "AA:BB:01", keys["AA:BB:01"], "psk-dev", Stopping);

        var (newer, code) = await PskStream.ConnectAsync(gateway, "AA:BB:01", keys["AA:BB:01"], "psk-dev", Stopping);

        Assert.Equal(0, code);
        Assert.Equal(0, await older.ReadAsync(new byte[16], Stopping).AsTask().WaitAsync(Patience, Stopping));
        await PublishAsync(newer, "psk-dev", 3);
        Assert.Equal(3, await ReadPubAckAsync(newer));
        await older.DisposeAsync();
        await newer.DisposeAsync();
    }

    [Fact]
    public async Task Twin_and_methods_work_through_the_gateway()
    {
        Assert.SkipUnless(PskStream.IsInstalled, "openssl is not installed");
        await using var hub = await StartHubAsync("psk-dev");
        var (gateway, keys) = await OutsidePskGateway.StartAsync(hub, OneDevice, Stopping);
        await using var _ = gateway;
        var (line, code) = await PskStream.ConnectAsync(gateway, "AA:BB:01", keys["AA:BB:01"], "psk-dev", Stopping);
        Assert.Equal(0, code);
        await MqttDoor.WriteAsync(
            line,
            new SubscribePacket { PacketId = 1, Subscriptions = [new("$iothub/twin/res/#", 0), new("$iothub/twin/PATCH/properties/desired/#", 0), new("$iothub/methods/POST/#", 0)] },
            Stopping);

        await PublishAsync(line, "$iothub/twin/PATCH/properties/reported/?$rid=1", """{"firmware":"2"}""");
        Assert.StartsWith("$iothub/twin/res/204/?$rid=1", (await line.ReadPublishAsync(Stopping)).Topic, StringComparison.Ordinal);
        (await NaveTool.RunAsync(hub, Stopping, "twin", "update", "psk-dev", "--desired", """{"mode":"eco"}""")).Done();
        var desired = await line.ReadPublishAsync(Stopping);
        Assert.StartsWith("$iothub/twin/PATCH/properties/desired/?$version=2", desired.Topic, StringComparison.Ordinal);
        Assert.Equal("""{"mode":"eco","$version":2}""", desired.Body);
        await PublishAsync(line, "$iothub/twin/GET/?$rid=2", "");
        var twin = await line.ReadPublishAsync(Stopping);
        Assert.StartsWith("$iothub/twin/res/200/?$rid=2", twin.Topic, StringComparison.Ordinal);
        Assert.Equal("""{"desired":{"mode":"eco","$version":2},"reported":{"firmware":"2","$version":2}}""", twin.Body);

        var call = NaveTool.RunAsync(hub, Stopping, "method", "invoke", "psk-dev", "reboot", "--payload", """{"after":5}""", "--json");
        var request = await line.ReadPublishAsync(Stopping);
        Assert.StartsWith("$iothub/methods/POST/reboot/?$rid=", request.Topic, StringComparison.Ordinal);
        Assert.Equal("""{"after":5}""", request.Body);
        await PublishAsync(line, $"$iothub/methods/res/201/?$rid={request.Topic.Split("$rid=")[1]}", """{"done":true}""");
        var answer = JsonDocument.Parse((await call).Done()).RootElement;
        Assert.Equal(201, answer.GetProperty("status").GetInt32());
        Assert.True(answer.GetProperty("payload").GetProperty("done").GetBoolean());
        await line.DisposeAsync();
    }

    [Fact]
    public async Task Every_message_with_a_PUBACK_is_in_the_hub_after_each_kill_of_the_gateway_and_of_the_hub()
    {
        Assert.SkipUnless(PskStream.IsInstalled, "openssl is not installed");
        string[] ids = ["psk-0", "psk-1", "psk-2"];
        await using var hub = await StartHubAsync(ids);
        var (gateway, keys) = await OutsidePskGateway.StartAsync(hub, ids.ToDictionary(id => id), Stopping);
        await using var _ = gateway;
        var devices = ids.Select(id => new RawDevice(id, async stopping =>
        {
            var (line, code) = await PskStream.ConnectAsync(gateway, id, keys[id], id, stopping);
            Assert.Equal(0, code);
            return line;
        })).ToList();
        var reader = new EventsReader(hub, Partitions);
        var stored = new HashSet<(string, string)>();
        for (var kill = 0; kill < Kills; kill++)
        {
            await SendAsync(devices, () => kill % 2 == 0 ? gateway.KillAsync(Stopping) : hub.KillAsync(Stopping));
            await (kill % 2 == 0 ? gateway.StartAgainAsync(Stopping) : hub.StartAgainAsync(Stopping));
            stored.UnionWith((await reader.ReadNewAsync()).Select(e => (e.Device, e.Body)));
            foreach (var device in devices)
            {
                Assert.DoesNotContain(device.Acknowledged, number => !stored.Contains((device.Id, $"{number}")));
            }
        }

        Assert.True(devices.Sum(device => device.Acknowledged.Count) >= Kills * AcknowledgedBeforeEachKill);
    }

    private static async Task<OutsideHub> StartHubAsync(params string[] devices)
    {
        var hub = await OutsideHub.StartAsync(Stopping);
        foreach (var device in devices)
        {
            await hub.CreateDeviceAsync(device, Stopping);
        }

        return hub;
    }

    private static async Task SendAsync(IReadOnlyList<RawDevice> devices, Func<Task> kill)
    {
        var before = devices.Sum(device => device.Acknowledged.Count);
        var enough = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var sending = Task.WhenAll(devices.Select(device => device.SendUntilCutAsync(Check, Stopping)));
        await Task.WhenAny(enough.Task, sending).WaitAsync(TimeSpan.FromSeconds(60), Stopping);
        Assert.True(enough.Task.IsCompleted, "All devices were cut too early.");
        await kill();
        await sending.WaitAsync(TimeSpan.FromSeconds(60), Stopping);

        void Check()
        {
            if (devices.Sum(device => device.Acknowledged.Count) >= before + AcknowledgedBeforeEachKill)
            {
                enough.TrySetResult();
            }
        }
    }

    private static async Task DisableAsync(OutsideHub hub, string device) =>
        (await NaveTool.RunAsync(hub, Stopping, "device", "update", device, "--disabled")).Done();

    private static Task PublishAsync(PskStream line, string device, ushort packetId) =>
        WriteAsync(line, $"devices/{device}/messages/events/", "{}", packetId);

    private static Task PublishAsync(PskStream line, string topic, string body) => WriteAsync(line, topic, body, packetId: 0);

    private static async Task WriteAsync(PskStream line, string topic, string body, ushort packetId)
    {
        var output = new ArrayBufferWriter<byte>();
        new PublishPacket
        {
            Topic = Encoding.UTF8.GetBytes(topic),
            PacketId = packetId,
            Qos = (byte)(packetId == 0 ? 0 : 1),
            Payload = new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(body)),
        }.Write(output, MqttVersion.V311);
        await line.WriteAsync(output.WrittenMemory, Stopping);
    }

    private static async Task<int> ReadPubAckAsync(PskStream line)
    {
        var answer = new byte[4];
        await line.ReadExactlyAsync(answer, Stopping).AsTask().WaitAsync(Patience, Stopping);
        Assert.Equal([0x40, 2], answer[..2]);
        return (answer[2] << 8) | answer[3];
    }

    private static Task<string> MosquittoAsync(string program, OutsidePskGateway gateway, IReadOnlyDictionary<string, string> keys, params string[] arguments) =>
        Mosquitto.RunAsync(
            program,
            Stopping,
            ["-d", "-V", "mqttv311", "-h", gateway.Address, "-p", $"{OutsidePskGateway.Port}", "-i", "psk-dev", "--psk-identity", "AA:BB:01", "--psk", keys["AA:BB:01"], .. arguments]);
}
