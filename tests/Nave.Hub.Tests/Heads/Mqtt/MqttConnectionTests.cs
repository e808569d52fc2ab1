using System.IO.Pipelines;
using System.Text;
using Nave.Hub.Devices;
using Nave.Hub.Heads.Mqtt;
using Nave.Hub.Tests.Harness;
using Nave.Mqtt;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Mqtt;

public sealed class MqttConnectionTests
{
    private const string Events = "devices/dev/messages/events/";

    [Fact]
    public async Task An_acknowledgement_leaves_when_the_message_is_durable_and_not_before()
    {
        using var rig = new ConnectionRig();

        await rig.Client.PublishAsync(Events, "a", packetId: 7);
        await rig.Log.WaitForRecordsAsync(1);
        await rig.Client.PingAsync();
        await rig.Client.ExpectPingResponseAsync();
        rig.Client.ExpectNothing();
        rig.Log.Commit();

        await rig.Client.ExpectPubAckAsync(7);
    }

    [Fact]
    [Conformance("sdk-gotchas", 20)]
    public async Task Acknowledgements_leave_in_the_order_of_the_messages()
    {
        using var rig = new ConnectionRig();

        await rig.Client.PublishAsync(Events, "a", packetId: 3);
        await rig.Client.PublishAsync("$iothub/methods/res/200/?$rid=1", qos: 1, packetId: 2);
        await rig.Client.PublishAsync(Events, "b", packetId: 1);
        await rig.Log.WaitForRecordsAsync(2);
        rig.Log.Commit(1);
        await rig.Client.ExpectPubAckAsync(3);
        await rig.Client.ExpectPubAckAsync(2);
        await rig.Client.PingAsync();
        await rig.Client.ExpectPingResponseAsync();
        rig.Client.ExpectNothing();
        rig.Log.Commit(2);

        await rig.Client.ExpectPubAckAsync(1);
    }

    [Fact]
    public async Task Many_messages_of_one_read_are_all_acknowledged()
    {
        using var rig = new ConnectionRig();
        await rig.Client.SendAsync(output =>
        {
            for (ushort i = 1; i <= 500; i++)
            {
                new PublishPacket { Topic = "devices/dev/messages/events/a=1"u8, Qos = 1, PacketId = i }.Write(output, MqttVersion.V311);
            }
        });

        await rig.Log.WaitForRecordsAsync(500);
        rig.Log.Commit();

        for (ushort i = 1; i <= 500; i++)
        {
            await rig.Client.ExpectPubAckAsync(i);
        }
    }

    [Fact]
    public async Task A_message_of_QoS_0_is_taken_and_not_acknowledged()
    {
        using var rig = new ConnectionRig();

        await rig.Client.PublishAsync(Events, "x", qos: 0);
        await rig.Log.WaitForRecordsAsync(1);
        rig.Log.Commit();
        await rig.Client.PingAsync();

        await rig.Client.ExpectPingResponseAsync();
        Assert.Contains("x", Encoding.UTF8.GetString(rig.Log.Records[0].Bytes), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_empty_message_and_a_repeated_one_are_messages()
    {
        using var rig = new ConnectionRig();

        await rig.Client.PublishAsync(Events, "", packetId: 5);
        await rig.Client.PublishAsync(Events, "", packetId: 5, dup: true);
        await rig.Log.WaitForRecordsAsync(2);
        rig.Log.Commit();

        await rig.Client.ExpectPubAckAsync(5);
        await rig.Client.ExpectPubAckAsync(5);
    }

    [Fact]
    [Conformance("device-mqtt", 13)]
    public async Task QoS_2_ends_the_connection_without_an_answer()
    {
        using var rig = new ConnectionRig();

        await rig.Client.PublishAsync(Events, "x", qos: 2);

        Assert.Equal(CloseReason.ProtocolViolation, await rig.WaitForEndAsync());
        rig.Client.ExpectNothing();
        Assert.Empty(rig.Log.Records);
    }

    [Fact]
    [Conformance("device-mqtt", 14)]
    public async Task Retain_arrives_as_a_property()
    {
        using var rig = new ConnectionRig();

        await rig.Client.PublishAsync(Events, "x", retain: true);
        await rig.Log.WaitForRecordsAsync(1);

        Assert.Contains("mqtt-retain", Encoding.UTF8.GetString(rig.Log.Records[0].Bytes), StringComparison.Ordinal);
    }

    [Theory]
    [Conformance("device-mqtt", 17)]
    [InlineData("devices/OTHER/messages/events/", nameof(CloseReason.ProtocolViolation))]
    [InlineData("foo/bar", nameof(CloseReason.ProtocolViolation))]
    [InlineData("$iothub/nope", nameof(CloseReason.ProtocolViolation))]
    [InlineData("devices/dev/messages/events/a=1=2", nameof(CloseReason.Refused))]
    public async Task A_topic_that_is_none_ends_the_connection(string topic, string reason)
    {
        using var rig = new ConnectionRig();

        await rig.Client.PublishAsync(topic, "x");

        Assert.Equal(reason, (await rig.WaitForEndAsync()).ToString());
        rig.Client.ExpectNothing();
        Assert.Empty(rig.Log.Records);
    }

    [Theory]
    [Conformance("device-mqtt", 17)]
    [InlineData("devices/OTHER/messages/devicebound/#")]
    [InlineData("$SYS/#")]
    public async Task A_filter_that_is_none_ends_the_connection_without_a_SUBACK(string filter)
    {
        using var rig = new ConnectionRig();

        await rig.Client.SubscribeAsync(1, ("$iothub/twin/res/#", 0), (filter, 0));

        Assert.Equal(CloseReason.ProtocolViolation, await rig.WaitForEndAsync());
        rig.Client.ExpectNothing();
    }

    [Theory]
    [Conformance("device-mqtt", 30)]
    [Conformance("messaging-semantics", 13)]
    [InlineData(262_144, true)]
    [InlineData(262_145, false)]
    public async Task A_message_has_a_largest_size(int bytes, bool isAccepted)
    {
        using var rig = new ConnectionRig(client: new MqttTestClient(new PipeOptions(pauseWriterThreshold: 1024 * 1024)));

        // "k" and "v" count too.
        await rig.Client.PublishAsync(Events + "k=v", new string('x', bytes - 2), packetId: 9);

        if (isAccepted)
        {
            await rig.Log.WaitForRecordsAsync(1);
            rig.Log.Commit();
            await rig.Client.ExpectPubAckAsync(9);
        }
        else
        {
            Assert.Equal(CloseReason.Refused, await rig.WaitForEndAsync());
            Assert.Empty(rig.Log.Records);
        }
    }

    [Fact]
    public async Task A_packet_over_the_limit_ends_the_connection_before_it_has_arrived()
    {
        using var rig = new ConnectionRig();

        await rig.Client.SendAsync(new byte[] { 0x32, 0xFF, 0xFF, 0xFF, 0x7F });

        Assert.Equal(CloseReason.Refused, await rig.WaitForEndAsync());
    }

    [Theory]
    [InlineData("100C00044D5154540402003C0000")] // A second CONNECT.
    [InlineData("20020000")] // What only a server sends.
    [InlineData("62020001")] // PUBREL belongs to QoS 2.
    [InlineData("F000")] // AUTH belongs to MQTT 5.
    [InlineData("0000")]
    [InlineData("C001")]
    [InlineData("3600")]
    [InlineData("30020000")] // An empty topic.
    [InlineData("32050001610000")] // Packet identifier 0.
    [InlineData("820600010001FF00")] // A filter that is no UTF-8.
    public async Task Bytes_that_break_a_rule_end_the_connection(string hex)
    {
        using var rig = new ConnectionRig();

        await rig.Client.SendAsync(Convert.FromHexString(hex));

        Assert.Equal(CloseReason.ProtocolViolation, await rig.WaitForEndAsync());
        rig.Client.ExpectNothing();
    }

    [Fact]
    [Conformance("device-mqtt", 18)]
    public async Task Subscriptions_are_granted_at_most_QoS_1()
    {
        using var rig = new ConnectionRig();

        await rig.Client.SubscribeAsync(
            10, ("devices/dev/messages/devicebound/#", 2), ("$iothub/twin/res/#", 0), ("$iothub/methods/POST/#", 1), ("#", 2));

        Assert.Equal([1, 0, 1, 1], await rig.Client.ExpectSubAckAsync(10));
    }

    [Fact]
    [Conformance("sdk-gotchas", 8)]
    public async Task Subscribing_twice_and_unsubscribing_what_is_not_there_are_answered()
    {
        using var rig = new ConnectionRig();

        await rig.Client.SubscribeAsync(1, ("$iothub/methods/POST/#", 0));
        await rig.Client.ExpectSubAckAsync(1);
        await rig.Client.SubscribeAsync(2, ("$iothub/methods/POST/#", 0));
        await rig.Client.ExpectSubAckAsync(2);
        await rig.Client.UnsubscribeAsync(3, "$iothub/methods/POST/#", "never/heard/of");

        await rig.Client.ExpectUnsubAckAsync(3);
    }

    [Fact]
    public async Task More_subscriptions_than_a_session_may_have_end_the_connection()
    {
        using var rig = new ConnectionRig();

        await rig.Client.SubscribeAsync(1, [.. Enumerable.Range(0, 51).Select(i => ($"$iothub/methods/POST/m{i}/#", (byte)0))]);

        Assert.Equal(CloseReason.Refused, await rig.WaitForEndAsync());
    }

    [Fact]
    [Conformance("device-mqtt", 29)]
    public async Task A_twin_answer_is_dropped_without_a_subscription_and_a_method_result_is_ignored()
    {
        using var rig = new ConnectionRig();

        await rig.Client.PublishAsync("$iothub/twin/GET/?$rid=1", qos: 1, packetId: 4);
        await rig.Client.PublishAsync("$iothub/methods/res/200/?$rid=unknown", "{}", qos: 0);

        await rig.Client.ExpectPubAckAsync(4);
        await rig.Client.PingAsync();
        await rig.Client.ExpectPingResponseAsync();
    }

    [Fact]
    public async Task A_goodbye_ends_the_connection_as_one()
    {
        using var rig = new ConnectionRig();

        await rig.Client.DisconnectAsync();

        Assert.Equal(CloseReason.Disconnected, await rig.WaitForEndAsync());
    }

    [Fact]
    public async Task A_lost_socket_ends_the_connection_as_lost()
    {
        using var rig = new ConnectionRig();

        rig.Client.Drop();

        Assert.Equal(CloseReason.PeerClosed, await rig.WaitForEndAsync());
    }

    [Fact]
    public async Task The_hub_ends_a_connection_that_waits_for_nothing()
    {
        using var rig = new ConnectionRig();

        rig.Channel.Close(CloseReason.TakenOver);
        rig.Channel.Close(CloseReason.TokenExpired);

        Assert.Equal(CloseReason.TakenOver, await rig.WaitForEndAsync());
    }

    [Fact]
    public async Task Nothing_is_read_while_the_log_is_full_and_nothing_is_lost()
    {
        using var rig = new ConnectionRig(client: MqttTestClient.Inline());
        rig.Log.IsFull();

        await rig.Client.PublishAsync(Events, "a", packetId: 1);
        await rig.Client.PublishAsync(Events, "b", packetId: 2);
        rig.Time.Advance(TimeSpan.FromSeconds(100)); // Over the keep-alive: that the device is not heard is our doing.
        rig.Log.HasRoom();
        await rig.Log.WaitForRecordsAsync(2);
        rig.Log.Commit();

        await rig.Client.ExpectPubAckAsync(1);
        await rig.Client.ExpectPubAckAsync(2);
    }

    [Fact]
    public async Task A_connection_that_waits_for_the_log_can_be_ended()
    {
        using var rig = new ConnectionRig();
        rig.Log.IsFull();
        await rig.Client.PublishAsync(Events, "a");

        rig.Channel.Close(CloseReason.HubStopping);

        Assert.Equal(CloseReason.HubStopping, await rig.WaitForEndAsync());
    }

    [Fact]
    public async Task A_failed_log_ends_the_connection_without_an_acknowledgement()
    {
        using var rig = new ConnectionRig();
        await rig.Client.PublishAsync(Events, "a", packetId: 1);
        await rig.Client.PublishAsync(Events, "b", packetId: 2);
        await rig.Log.WaitForRecordsAsync(2);
        rig.Log.Commit(1);
        await rig.Client.ExpectPubAckAsync(1);

        rig.Log.Fail();

        Assert.Equal(CloseReason.LogUnavailable, await rig.WaitForEndAsync());
        rig.Client.ExpectNothing();
    }

    [Fact]
    public async Task A_log_that_takes_nothing_ends_the_connection_without_an_acknowledgement()
    {
        using var rig = new ConnectionRig();
        rig.Log.Fail();

        await rig.Client.PublishAsync(Events, "a", packetId: 1);

        Assert.Equal(CloseReason.LogUnavailable, await rig.WaitForEndAsync());
        rig.Client.ExpectNothing();
    }

    [Fact]
    public async Task Only_so_many_messages_of_a_connection_wait_for_the_disk()
    {
        using var rig = new ConnectionRig(new MqttOptions { MaxUnacknowledged = 3 });
        for (ushort i = 1; i <= 5; i++)
        {
            await rig.Client.PublishAsync(Events, "a", packetId: i);
        }

        await rig.Log.WaitForRecordsAsync(3);
        Assert.Equal(3, rig.Log.Records.Count);
        rig.Log.Commit();
        await rig.Log.WaitForRecordsAsync(5);
        rig.Log.Commit();

        for (ushort i = 1; i <= 5; i++)
        {
            await rig.Client.ExpectPubAckAsync(i);
        }
    }

    [Fact]
    public async Task A_peer_that_reads_nothing_is_not_read_from_and_then_dropped()
    {
        // The transport takes 64 bytes, the writer 100 beyond that.
        var client = MqttTestClient.Inline(unreadBytes: 64);
        using var rig = new ConnectionRig(new MqttOptions { MaxUnsentBytes = 100, UnsentTimeout = TimeSpan.FromSeconds(30) }, client);
        for (var i = 0; i < 200; i++)
        {
            await rig.Client.PingAsync();
        }

        await client.PublishAsync(Events, "unread");
        rig.Time.Advance(TimeSpan.FromSeconds(29));
        Assert.Null(rig.Channel.Reason);
        rig.Time.Advance(TimeSpan.FromSeconds(2));

        Assert.Equal(CloseReason.Throttled, await rig.WaitForEndAsync());
        Assert.Empty(rig.Log.Records);
    }

    [Fact]
    public async Task A_peer_that_reads_late_gets_everything()
    {
        var client = new MqttTestClient(toClient: new PipeOptions(pauseWriterThreshold: 64, resumeWriterThreshold: 32));
        using var rig = new ConnectionRig(new MqttOptions { MaxUnsentBytes = 100 }, client);
        for (var i = 0; i < 200; i++)
        {
            await rig.Client.PingAsync();
        }

        for (var i = 0; i < 200; i++)
        {
            await client.ExpectPingResponseAsync();
        }

        Assert.False(rig.Running.IsCompleted);
    }

    [Fact]
    public async Task What_is_on_its_way_to_the_disk_is_acknowledged_before_a_stop()
    {
        using var rig = new ConnectionRig();
        await rig.Client.PublishAsync(Events, "a", packetId: 8);
        await rig.Log.WaitForRecordsAsync(1);

        rig.Channel.Close(CloseReason.HubStopping);
        await rig.WaitForEndAsync();
        var acknowledged = rig.AwaitAcknowledgementsAsync(CancellationToken.None).AsTask();
        Assert.False(acknowledged.IsCompleted);
        rig.Log.Commit();
        await acknowledged.WaitAsync(TimeSpan.FromSeconds(10));

        await rig.Client.ExpectPubAckAsync(8);
    }
}
