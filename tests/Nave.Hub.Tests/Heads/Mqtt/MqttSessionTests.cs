using System.Buffers;
using System.Text;
using Nave.EventLog;
using Nave.Hub.Devices;
using Nave.Hub.Telemetry;
using Nave.Hub.Tests.Devices;
using Nave.Hub.Tests.Harness;
using Nave.Mqtt;
using Nave.Protocol.Identities;
using Nave.Tests;
using Subscription = Nave.Hub.Devices.Subscription;

namespace Nave.Hub.Tests.Heads.Mqtt;

/// <summary>What outlives a packet: stored sessions, the connection's place, wills and ends.</summary>
public sealed class MqttSessionTests
{
    private const string Events = "devices/dev/messages/events/";
    private static readonly IdentityId Device = new(DeviceId.Parse("dev"));

    [Fact]
    [Conformance("device-mqtt", 7)]
    public async Task Subscriptions_are_stored_before_they_are_granted_and_outlive_the_connection()
    {
        await using var hub = await MqttHub.CreateAsync();
        var first = await hub.AcceptAsync();

        await first.SubscribeAsync(1, ("devices/dev/messages/devicebound/#", 1), ("$iothub/twin/res/#", 2));
        await first.ExpectSubAckAsync(1);
        Assert.Equal(
            [new Subscription("devices/dev/messages/devicebound/#", 1), new Subscription("$iothub/twin/res/#", 1)],
            await StoredAsync(hub));

        // A client that renews its token: DISCONNECT, CONNECT, and no SUBSCRIBE at all.
        await first.DisconnectAsync();
        var second = await hub.AcceptAsync();
        await second.PublishAsync("$iothub/twin/GET/?$rid=1", " ", qos: 0);

        Assert.Equal("$iothub/twin/res/200/?$rid=1", (await second.ExpectPublishAsync()).Topic);
    }

    [Fact]
    public async Task Unsubscribing_is_stored_too()
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = await hub.AcceptAsync();
        await client.SubscribeAsync(1, ("$iothub/twin/res/#", 0), ("$iothub/methods/POST/#", 0));
        await client.ExpectSubAckAsync(1);

        await client.UnsubscribeAsync(2, "$iothub/twin/res/#");
        await client.ExpectUnsubAckAsync(2);

        Assert.Equal([new Subscription("$iothub/methods/POST/#", 0)], await StoredAsync(hub));
    }

    [Fact]
    [Conformance("device-mqtt", 10)]
    public async Task A_clean_session_forgets_what_was_stored_and_stores_nothing()
    {
        await using var hub = await MqttHub.CreateAsync();
        var durable = await hub.AcceptAsync();
        await durable.SubscribeAsync(1, ("$iothub/twin/res/#", 0));
        await durable.ExpectSubAckAsync(1);

        var (clean, _, isPresent) = await hub.ConnectAsync(hub.Connect(cleanSession: true));
        await clean.SubscribeAsync(1, ("$iothub/methods/POST/#", 0));
        await clean.ExpectSubAckAsync(1);
        Assert.False(isPresent);
        Assert.Null(await hub.Registry.Subscriptions.GetAsync(Device, await GenerationAsync(hub), default));
        await clean.DisconnectAsync();

        Assert.False((await hub.ConnectAsync(hub.Connect())).SessionPresent);
    }

    [Fact]
    [Conformance("device-mqtt", 10)]
    public async Task A_session_goes_with_its_identity()
    {
        await using var hub = await MqttHub.CreateAsync();
        var first = await hub.AcceptAsync();
        await hub.Registry.ExpectAsync(hub.Registry.Registry.DeleteAsync(Device, ETagCondition.Any, default));
        await first.ExpectCloseAsync();
        await hub.CreateDeviceAsync("dev");

        Assert.False((await hub.ConnectAsync(hub.Connect())).SessionPresent);
    }

    [Fact]
    [Conformance("device-mqtt", 11)]
    public async Task The_newest_connection_has_the_place_and_the_older_one_ends()
    {
        await using var hub = await MqttHub.CreateAsync();
        var first = await hub.AcceptAsync();

        var second = await hub.AcceptAsync();
        await first.ExpectCloseAsync();
        await hub.WaitForServedAsync(first);
        await second.PublishAsync(Events, "still here", packetId: 3);
        await hub.Log.WaitForRecordsAsync(1);
        hub.Log.Commit();
        await second.ExpectPubAckAsync(3);

        Assert.Equal(1, hub.Sessions.Count);
        Assert.Contains(hub.Logged, line => line.Message.Contains("ConnectionForcefullyClosedOnNewConnection", StringComparison.Ordinal));
    }

    [Fact]
    [Conformance("device-mqtt", 11)]
    public async Task Of_many_connections_at_once_one_stays_and_none_is_left_over()
    {
        await using var hub = await MqttHub.CreateAsync();
        var packet = hub.Connect();

        var clients = await Task.WhenAll(Enumerable.Range(0, 30).Select(async _ =>
        {
            var client = hub.Open();
            await client.SendConnectAsync(packet);
            return client;
        }));

        // All but one are closed, after their CONNACK or before it; which one stays, nobody can say.
        var open = clients.ToDictionary(client => client, client => (Task)hub.WaitForServedAsync(client));
        while (open.Count > 1)
        {
            await Task.WhenAny(open.Values);
            foreach (var closed in open.Where(client => client.Value.IsCompleted).ToList())
            {
                open.Remove(closed.Key);
            }
        }

        var winner = Assert.Single(open).Key;
        await winner.ExpectConnAckAsync();
        await winner.PingAsync();
        await winner.ExpectPingResponseAsync();
        Assert.Equal(1, hub.Sessions.Count);
        Assert.Equal(1, hub.Registry.Presence.ConnectedDevices);
    }

    [Fact]
    [Conformance("device-mqtt", 34)]
    public async Task A_module_is_connected_beside_its_device()
    {
        await using var hub = await MqttHub.CreateAsync();
        await hub.CreateDeviceAsync("dev/mod");
        var device = await hub.AcceptAsync();

        var module = await hub.AcceptAsync("dev/mod");
        await module.PublishAsync("devices/dev/modules/mod/messages/events/", "m");
        await hub.Log.WaitForRecordsAsync(1);
        await device.PingAsync();
        await device.ExpectPingResponseAsync();

        var asRead = new ArrayBufferWriter<byte>();
        EventEncoding.WriteMessage(new LogRecord(0, 0, hub.Log.Records[0].Bytes), asRead);
        Assert.Contains("iothub-connection-module-id", Encoding.UTF8.GetString(asRead.WrittenSpan), StringComparison.Ordinal);
        Assert.Equal(2, hub.Sessions.Count);
    }

    [Fact]
    [Conformance("device-mqtt", 12)]
    public async Task A_will_is_published_when_the_connection_is_lost()
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = await hub.AcceptAsync(will: new Will { Topic = Events + "a=1", Payload = "lost"u8.ToArray(), Qos = 1, Retain = true });

        client.Drop();
        await hub.Log.WaitForRecordsAsync(1);

        var will = Encoding.UTF8.GetString(hub.Log.Records[0].Bytes);
        Assert.Contains("iothub-MessageType", will, StringComparison.Ordinal);
        Assert.Contains("mqtt-retain", will, StringComparison.Ordinal);
        Assert.Contains("lost", will, StringComparison.Ordinal);
    }

    [Fact]
    [Conformance("messaging-semantics", 28)]
    public async Task A_device_whose_cable_was_pulled_is_disconnected_after_one_and_a_half_keep_alives()
    {
        await using var hub = await MqttHub.CreateAsync();
        var id = new IdentityId(DeviceId.Parse("dev"));
        var client = await hub.AcceptAsync(keepAlive: 60);

        hub.Time.Advance(TimeSpan.FromSeconds(89));
        Assert.True((await hub.Registry.Presence.GetAsync(id, default)).IsConnected);
        hub.Time.Advance(TimeSpan.FromSeconds(3));
        await client.ExpectCloseAsync();
        await hub.WaitForServedAsync(client);

        Assert.False((await hub.Registry.Presence.GetAsync(id, default)).IsConnected);
    }

    [Theory]
    [Conformance("device-mqtt", 12)]
    [InlineData(nameof(CloseReason.TakenOver), true)]
    [InlineData(nameof(CloseReason.TokenExpired), true)]
    [InlineData(nameof(CloseReason.KeepAliveTimeout), true)]
    [InlineData(nameof(CloseReason.Forced), true)]
    [InlineData(nameof(CloseReason.HubStopping), false)]
    [InlineData(nameof(CloseReason.IdentityDisabled), false)]
    [InlineData(nameof(CloseReason.IdentityDeleted), false)]
    [InlineData(nameof(CloseReason.CredentialRevoked), false)]
    public async Task Whether_a_will_is_published_follows_from_the_reason(string reason, bool isPublished)
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = await hub.AcceptAsync(will: new Will { Topic = Events, Payload = "lost"u8.ToArray() });

        hub.Sessions.CloseAll(Enum.Parse<CloseReason>(reason));
        await client.ExpectCloseAsync();
        await hub.WaitForServedAsync(client);

        Assert.Equal(isPublished ? 1 : 0, hub.Log.Records.Count);
    }

    [Fact]
    [Conformance("device-mqtt", 12)]
    public async Task A_goodbye_discards_the_will()
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = await hub.AcceptAsync(will: new Will { Topic = Events, Payload = "lost"u8.ToArray() });

        await client.DisconnectAsync();
        await client.ExpectCloseAsync();
        await hub.WaitForServedAsync(client);

        Assert.Empty(hub.Log.Records);
    }

    [Fact]
    public async Task A_will_that_the_log_does_not_take_costs_nothing_else()
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = await hub.AcceptAsync(will: new Will { Topic = Events, Payload = "lost"u8.ToArray() });
        hub.Log.Fail();

        client.Drop();
        await hub.WaitForServedAsync(client);

        Assert.Equal(0, hub.Sessions.Count);
        Assert.Contains(hub.Logged, line => line.Id is 2106);
    }

    [Fact]
    [Conformance("device-mqtt", 5)]
    public async Task A_silent_device_is_dropped_and_one_that_pings_is_not()
    {
        await using var hub = await MqttHub.CreateAsync();
        await hub.CreateDeviceAsync("silent");
        var silent = await hub.AcceptAsync("silent", keepAlive: 10);
        var lively = await hub.AcceptAsync(keepAlive: 10);

        hub.Time.Advance(TimeSpan.FromSeconds(14));
        await lively.PingAsync();
        await lively.ExpectPingResponseAsync();
        silent.ExpectNothing();
        hub.Time.Advance(TimeSpan.FromSeconds(2));
        await silent.ExpectCloseAsync();
        await lively.PingAsync();

        await lively.ExpectPingResponseAsync();
    }

    [Fact]
    [Conformance("device-mqtt", 31)]
    public async Task An_expired_token_and_a_disabled_device_cut_the_connection()
    {
        await using var hub = await MqttHub.CreateAsync();
        await hub.CreateDeviceAsync("short");
        var (shortLived, _, _) = await hub.ConnectAsync(hub.Connect("short", keepAlive: 1200, token: hub.Token("short", validFor: TimeSpan.FromMinutes(1))));
        var client = await hub.AcceptAsync(keepAlive: 1200);

        hub.Time.Advance(TimeSpan.FromMinutes(5.9));
        await shortLived.PingAsync();
        await shortLived.ExpectPingResponseAsync();
        hub.Time.Advance(TimeSpan.FromSeconds(8));
        await shortLived.ExpectCloseAsync();
        await client.PingAsync();
        await client.ExpectPingResponseAsync();
        await hub.Registry.ExpectAsync(hub.Registry.Registry.UpdateAsync(
            RegistryHarness.Draft("dev") with { IsEnabled = false }, ETagCondition.Any, default));

        await client.ExpectCloseAsync();
    }

    [Fact]
    public async Task A_stop_acknowledges_what_becomes_durable_and_then_closes()
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = await hub.AcceptAsync();
        await client.PublishAsync(Events, "last", packetId: 9);
        await hub.Log.WaitForRecordsAsync(1);

        hub.Sessions.CloseAll(CloseReason.HubStopping);
        hub.Log.Commit();

        await client.ExpectPubAckAsync(9);
        await client.ExpectCloseAsync();
    }

    [Fact]
    public async Task A_stop_does_not_wait_long_for_a_disk_that_is_stuck()
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = await hub.AcceptAsync();
        await client.PublishAsync(Events, "last", packetId: 9);
        await hub.Log.WaitForRecordsAsync(1);

        hub.Sessions.CloseAll(CloseReason.HubStopping);
        await AdvanceUntilServedAsync(hub, client);

        await client.ExpectCloseAsync();
    }

    [Fact]
    public async Task Nobody_is_connected_when_all_have_gone()
    {
        await using var hub = await MqttHub.CreateAsync();
        var client = await hub.AcceptAsync();
        Assert.Equal(1, hub.Registry.Presence.ConnectedDevices);

        await client.DisconnectAsync();
        await hub.WaitForServedAsync(client);

        Assert.Equal(0, hub.Registry.Presence.ConnectedDevices);
        Assert.Equal(0, hub.Sessions.Count);
    }

    private static async Task<IReadOnlyList<Subscription>?> StoredAsync(MqttHub hub) =>
        await hub.Registry.Subscriptions.GetAsync(Device, await GenerationAsync(hub), default);

    private static async Task<string> GenerationAsync(MqttHub hub) =>
        (await hub.Registry.Registry.FindAsync(Device, default))!.GenerationId;

    // The head sets its timer on a thread of its own: time goes on until it was seen.
    private static async Task AdvanceUntilServedAsync(MqttHub hub, MqttTestClient client)
    {
        var served = hub.WaitForServedAsync(client);
        while (!served.IsCompleted)
        {
            hub.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        await served;
    }
}
