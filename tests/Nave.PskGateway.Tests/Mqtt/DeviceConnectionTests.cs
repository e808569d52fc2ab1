using System.Buffers;
using Nave.Mqtt;
using Nave.Protocol.Messages;
using Nave.PskGateway.Tests.Harness;
using Nave.PskGateway.Upstream;
using Nave.Tests;

namespace Nave.PskGateway.Tests.Mqtt;

/// <summary>MQTT towards the device, with a hub that the test plays.</summary>
public sealed class DeviceConnectionTests
{
    private const string Events = "devices/dev/messages/events/";

    [Fact]
    [Conformance("tls-psk", 1)]
    public async Task A_PUBACK_follows_the_hubs_accepted_in_the_order_of_the_messages()
    {
        await using var desk = await PskDesk.StartAsync();
        using var device = await PskDevice.ConnectAsync(desk.Server.Port);
        var hub = await desk.Hub.OpenedAsync();
        var first = await device.PublishAsync(Events + "a=1&%24.ct=text%2Fplain", "one");
        var second = await device.PublishAsync(Events, "two");
        var one = await hub.SentAsync();
        var two = await hub.SentAsync();

        two.Accept();
        var acknowledged = device.PubAckAsync();
        Assert.False(acknowledged.IsCompleted); // The first has no outcome yet.
        one.Accept();

        Assert.Equal((first, second), (await acknowledged, await device.PubAckAsync()));
        Assert.Equal(("one", "two", "text/plain"), (one.Body, two.Body, one.Properties.ContentType));
        Assert.Equal([new KeyValuePair<string, string?>("a", "1")], one.Properties.Application);
    }

    [Theory]
    [InlineData((int)SendOutcome.Rejected)]
    [InlineData((int)SendOutcome.Lost)]
    public async Task A_message_that_the_hub_does_not_take_is_never_acknowledged(int outcome)
    {
        await using var desk = await PskDesk.StartAsync();
        using var device = await PskDevice.ConnectAsync(desk.Server.Port);
        var hub = await desk.Hub.OpenedAsync();
        await device.PublishAsync(Events, "one");

        (await hub.SentAsync()).Answer.SetResult(new SendResult((SendOutcome)outcome, "no"));

        await device.ExpectCloseAsync();
        await hub.Disposed;
    }

    [Fact]
    public async Task Reading_stops_while_the_window_is_full()
    {
        const int Window = 100;
        await using var desk = await PskDesk.StartAsync();
        using var device = await PskDevice.ConnectAsync(desk.Server.Port);
        var hub = await desk.Hub.OpenedAsync();
        for (var i = 0; i < 300; i++)
        {
            await device.PublishAsync(Events, $"{i}", qos: 0);
        }

        var first = await hub.SentAsync();
        for (var i = 1; i < Window; i++)
        {
            await hub.SentAsync();
        }

        // One is taken from the window to be waited for, one waits to get in.
        Assert.InRange(hub.Waiting, 0, 2);
        first.Accept();
        await hub.SentAsync();
    }

    [Theory]
    [Conformance("tls-psk", 8)]
    [InlineData((int)HubRefusal.NotAllowed, 5)]
    [InlineData((int)HubRefusal.Unreachable, 3)]
    [InlineData((int)HubRefusal.Throttled, 3)]
    public async Task What_the_hub_says_of_the_device_is_what_CONNACK_says(int refusal, int code)
    {
        await using var desk = await PskDesk.StartAsync();
        desk.Hub.Refusal = (HubRefusal)refusal;
        using var device = await PskDevice.OpenAsync(desk.Server.Port);

        Assert.Equal(code, await device.ConnectAsync("dev"));
        await device.ExpectCloseAsync();
    }

    [Fact]
    [Conformance("tls-psk", 9)]
    public async Task A_device_that_the_hub_ends_is_dropped()
    {
        await using var desk = await PskDesk.StartAsync();
        using var device = await PskDevice.ConnectAsync(desk.Server.Port);
        var hub = await desk.Hub.OpenedAsync();

        hub.Events.Closed(HubClosing.NotAllowed);

        await device.ExpectCloseAsync();
        Assert.Contains("the hub does not have the device", await desk.AuditAsync(), StringComparison.Ordinal);
    }

    [Fact]
    [Conformance("tls-psk", 10)]
    public async Task Two_identities_of_a_device_work_and_the_revoked_one_is_cut_at_once()
    {
        await using var desk = await PskDesk.StartAsync(fill: async store =>
        {
            await PskDesk.AddAsync(store, "dev#1", PskDevice.Key, "dev");
            await PskDesk.AddAsync(store, "dev#2", PskDevice.OtherKey, "dev");
        });
        using var next = await PskDevice.OpenAsync(desk.Server.Port, "dev#2", PskDevice.OtherKey);
        Assert.Equal(0, await next.ConnectAsync("dev"));
        using var old = await PskDevice.OpenAsync(desk.Server.Port, "dev#1");
        Assert.Equal(0, await old.ConnectAsync("dev"));

        Assert.Equal(1, await desk.Store.RemoveAsync("dev#1", null, TestContext.Current.CancellationToken));
        desk.Time.Advance(TimeSpan.FromSeconds(1));

        await old.ExpectCloseAsync();
        var (again, isOpen) = await PskDevice.TryOpenAsync(desk.Server.Port, true, ("dev#1", PskDevice.Key));
        again.Dispose();
        Assert.False(isOpen);
        using var still = await PskDevice.OpenAsync(desk.Server.Port, "dev#2", PskDevice.OtherKey);
        Assert.Equal(0, await still.ConnectAsync("dev"));
    }

    [Fact]
    [Conformance("tls-psk", 16)]
    public async Task The_newer_connection_of_a_device_stays()
    {
        await using var desk = await PskDesk.StartAsync();
        using var older = await PskDevice.ConnectAsync(desk.Server.Port);
        var before = await desk.Hub.OpenedAsync();

        using var newer = await PskDevice.ConnectAsync(desk.Server.Port);

        await older.ExpectCloseAsync();
        await before.Disposed;
        var hub = await desk.Hub.OpenedAsync();
        await newer.PublishAsync(Events, "here");
        (await hub.SentAsync()).Accept();
        await newer.PubAckAsync();
    }

    [Theory]
    [Conformance("tls-psk", 2)]
    [InlineData(1)]
    [InlineData(0)]
    public async Task A_command_completes_when_the_device_has_it(byte qos)
    {
        await using var desk = await PskDesk.StartAsync();
        using var device = await PskDevice.ConnectAsync(desk.Server.Port);
        var hub = await desk.Hub.OpenedAsync();
        Assert.Equal([qos], await device.SubscribeAsync("devices/dev/messages/devicebound/#", qos));

        hub.Events.Command(new HubCommand("lock-1", new MessageProperties { MessageId = "m1", To = "/devices/dev/messages/deviceBound" }, "full", "go"u8.ToArray()));

        var message = await device.MessageAsync();
        if (qos is 1)
        {
            await device.AcknowledgeAsync(message.PacketId);
        }

        Assert.Equal(("devices/dev/messages/devicebound/%24.mid=m1&%24.to=%2Fdevices%2Fdev%2Fmessages%2FdeviceBound&iothub-ack=full", "go"), (message.Topic, message.Body));
        Assert.Equal(("lock-1", CommandOutcome.Complete), await hub.SettledAsync());
        Assert.Equal(["commands"], hub.Calls);
    }

    [Fact]
    public async Task Twins_go_both_ways()
    {
        await using var desk = await PskDesk.StartAsync();
        using var device = await PskDevice.ConnectAsync(desk.Server.Port);
        var hub = await desk.Hub.OpenedAsync();
        await device.SubscribeAsync("$iothub/twin/res/#", 0);
        await device.SubscribeAsync("$iothub/twin/PATCH/properties/desired/#", 0);

        await device.PublishAsync("$iothub/twin/GET/?$rid=1", "", 0);
        var twin = await device.MessageAsync();
        await device.PublishAsync("$iothub/twin/PATCH/properties/reported/?$rid=ab", """{"t":1}""", 0);
        var patched = await device.MessageAsync();
        hub.Events.DesiredChanged("""{"x":2}"""u8.ToArray(), 5);
        var desired = await device.MessageAsync();

        Assert.Equal(("$iothub/twin/res/200/?$rid=1", hub.Twin), (twin.Topic, twin.Body));
        Assert.Equal("$iothub/twin/res/204/?$rid=ab&$version=7", patched.Topic);
        Assert.Equal(("$iothub/twin/PATCH/properties/desired/?$version=5", """{"x":2}"""), (desired.Topic, desired.Body));
        Assert.Equal(["desired", """{"t":1}"""], hub.Calls);
    }

    [Fact]
    public async Task A_method_is_asked_for_and_answered()
    {
        await using var desk = await PskDesk.StartAsync();
        using var device = await PskDevice.ConnectAsync(desk.Server.Port);
        var hub = await desk.Hub.OpenedAsync();
        await device.SubscribeAsync("$iothub/methods/POST/#", 0);

        hub.Events.MethodCalled(new HubMethodCall("r-1", "reboot", "{}"u8.ToArray()));
        var call = await device.MessageAsync();
        await device.PublishAsync("$iothub/methods/res/-3/?$rid=r-1", """{"ok":true}""", 0);

        Assert.Equal(("$iothub/methods/POST/reboot/?$rid=r-1", "{}"), (call.Topic, call.Body));
        Assert.Equal(("r-1", -3, """{"ok":true}"""), await hub.AnsweredAsync());
    }

    [Theory]
    [InlineData("dev", false, 0)]
    [InlineData("", false, 0)]
    [InlineData("mosq-123", false, 2)]
    [InlineData("mosq-123", true, 0)]
    public async Task The_client_id_is_the_device_id_unless_the_operator_leaves_it_open(string clientId, bool isAny, int code)
    {
        await using var desk = await PskDesk.StartAsync(options => options with { AnyClientId = isAny });
        using var device = await PskDevice.OpenAsync(desk.Server.Port);

        Assert.Equal(code, await device.ConnectAsync(clientId));
    }

    [Fact]
    public async Task Silence_beyond_the_keep_alive_ends_the_connection_and_sends_the_will()
    {
        await using var desk = await PskDesk.StartAsync();
        using var device = await PskDevice.OpenAsync(desk.Server.Port);
        Assert.Equal(0, await device.ConnectAsync("dev", 10, new Will { Topic = Events, Payload = "gone"u8.ToArray() }));
        var hub = await desk.Hub.OpenedAsync();

        desk.Time.Advance(TimeSpan.FromSeconds(15));
        desk.Time.Advance(TimeSpan.FromSeconds(1));

        var will = await hub.SentAsync();
        will.Accept();
        Assert.Equal("gone", will.Body);
        Assert.Contains(new KeyValuePair<string, string?>("iothub-MessageType", "Will"), will.Properties.Application);
        await device.ExpectCloseAsync();
    }

    [Fact]
    public async Task A_CONNECT_that_does_not_come_ends_the_connection()
    {
        await using var desk = await PskDesk.StartAsync();
        using var device = await PskDevice.OpenAsync(desk.Server.Port);
        using var proof = await PskDevice.ConnectAsync(desk.Server.Port); // Both are in the gateway's table by then.

        desk.Time.Advance(TimeSpan.FromSeconds(10));
        desk.Time.Advance(TimeSpan.FromSeconds(1));

        await device.ExpectCloseAsync();
        Assert.Equal(1, desk.Hub.Openings);
    }

    [Fact]
    public async Task A_right_DISCONNECT_sends_no_will()
    {
        await using var desk = await PskDesk.StartAsync();
        using var device = await PskDevice.OpenAsync(desk.Server.Port);
        Assert.Equal(0, await device.ConnectAsync("dev", 10, new Will { Topic = Events, Payload = "gone"u8.ToArray() }));
        var hub = await desk.Hub.OpenedAsync();

        await device.SendAsync(output => output.Write<byte>([0xE0, 0]));

        await hub.Disposed;
        Assert.Equal(0, hub.Waiting);
    }

    [Theory]
    [InlineData("devices/other/messages/events/")]
    [InlineData("devices/dev/messages/elsewhere")]
    [InlineData("$iothub/twin/GET/?x=1")]
    [InlineData("sensors/1")]
    public async Task A_topic_that_is_none_of_the_devices_ends_the_connection(string topic)
    {
        await using var desk = await PskDesk.StartAsync();
        using var device = await PskDevice.ConnectAsync(desk.Server.Port);
        var hub = await desk.Hub.OpenedAsync();

        await device.PublishAsync(topic, "x");

        await device.ExpectCloseAsync();
        await hub.Disposed;
        Assert.Equal(0, hub.Waiting);
    }

    [Fact]
    public async Task No_text_of_a_stranger_and_no_key_stands_in_the_log_above_debug()
    {
        await using var desk = await PskDesk.StartAsync();
        (await PskDevice.TryOpenAsync(desk.Server.Port, true, ("no\nbody", PskDevice.OtherKey))).Device.Dispose();
        using var device = await PskDevice.ConnectAsync(desk.Server.Port);
        await device.PublishAsync("x\u0007y", "x");
        await device.ExpectCloseAsync();
        await desk.Server.DisposeAsync();

        Assert.All(desk.Log.Lines, line => Assert.Equal(Microsoft.Extensions.Logging.LogLevel.Debug, line.Level));
        Assert.All(desk.Log.Lines, line => Assert.DoesNotContain('\n', line.Message));
        Assert.Contains(desk.Log.Lines, line => line.Message.Contains("no\\u000Abody", StringComparison.Ordinal));
        Assert.All(desk.Log.Lines, line => Assert.DoesNotContain(Convert.ToHexString(PskDevice.Key.AsSpan(0, 8)), line.Message, StringComparison.OrdinalIgnoreCase));
    }
}
