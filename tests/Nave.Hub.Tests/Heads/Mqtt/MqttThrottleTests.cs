using System.Text;
using System.Text.Json.Nodes;
using Nave.Hub.Access;
using Nave.Hub.Devices;
using Nave.Hub.Quotas;
using Nave.Hub.Tests.Harness;
using Nave.Mqtt;
using Nave.Protocol.Errors;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Mqtt;

/// <summary>
/// How limits show over MQTT (spec/device-mqtt.md 10): reads and PUBACKs come late, then the connection ends; twins are
/// answered 429; who connects too often gets CONNACK 3.
/// </summary>
public sealed class MqttThrottleTests
{
    private const string Events = "devices/dev/messages/events/";

    // Past the turn itself: waits are rounded up to it.
    private static readonly TimeSpan ALittle = TimeSpan.FromMilliseconds(2);

    [Fact]
    public async Task What_is_over_the_rate_is_read_late_and_acknowledged_late()
    {
        using var rig = Rig(Metered.TelemetrySends, "2/s");

        for (ushort id = 1; id <= 4; id++)
        {
            await rig.Client.PublishAsync(Events, "a", packetId: id);
        }

        rig.Log.Commit();
        await rig.Client.ExpectPubAckAsync(1);
        await rig.Client.ExpectPubAckAsync(2);
        Assert.Equal(2, rig.Log.Records.Count);

        for (var id = 3; id <= 4; id++)
        {
            rig.Time.Advance(TimeSpan.FromSeconds(0.5) + ALittle);
            await rig.Log.WaitForRecordsAsync(id);
            Assert.Equal(id, rig.Log.Records.Count);
            rig.Log.Commit();
            await rig.Client.ExpectPubAckAsync((ushort)id);
        }

        Assert.Equal((2L, 2L), (rig.Meter.LimitOf(Metered.TelemetrySends)!.Read().Passed, rig.Meter.LimitOf(Metered.TelemetrySends)!.Read().Delayed));
    }

    [Fact]
    public async Task A_full_backlog_ends_the_connection_as_throttled()
    {
        using var rig = Rig(Metered.TelemetrySends, "1/s");
        for (var others = 0; others < 11; others++)
        {
            Assert.Null(rig.Meter.Take(Metered.TelemetrySends, null).Failure);
        }

        await rig.Client.PublishAsync(Events, "a");

        Assert.Equal(CloseReason.Throttled, await rig.WaitForEndAsync());
        Assert.Empty(rig.Log.Records);
    }

    [Fact]
    [Conformance("messaging-semantics", 16)]
    public async Task A_used_up_day_ends_the_connection_with_the_next_message()
    {
        using var rig = new ConnectionRig(client: MqttTestClient.Inline(), quota: new QuotaOptions { DailyMessages = 2 });
        var refused = new List<HubFailure>();
        rig.Meter.Refused += (_, _, failure) => refused.Add(failure);

        await rig.Client.PublishAsync(Events, new string('x', 6 * 1024), packetId: 1);
        Assert.Equal(2, rig.Meter.Daily!.Read().Sum());
        await rig.Client.PublishAsync(Events, "", packetId: 2);

        Assert.Equal(CloseReason.Refused, await rig.WaitForEndAsync());
        Assert.Single(rig.Log.Records);
        Assert.Equal(HubErrorCode.IotHubQuotaExceeded, Assert.Single(refused).Code);
    }

    [Fact]
    public async Task A_message_that_waits_for_room_in_the_log_is_charged_once()
    {
        using var rig = new ConnectionRig(client: MqttTestClient.Inline(), quota: new QuotaOptions { DailyMessages = 100 });
        rig.Log.IsFull();

        await rig.Client.PublishAsync(Events, "a");
        Assert.Empty(rig.Log.Records);
        rig.Log.HasRoom();

        await rig.Log.WaitForRecordsAsync(1);
        Assert.Equal(1, rig.Meter.Daily!.Read().Sum());
        await rig.Client.PublishAsync(Events, "b", packetId: 2);
        await rig.Log.WaitForRecordsAsync(2);
        Assert.Equal(2, rig.Meter.Daily!.Read().Sum());
    }

    [Fact]
    [Conformance("messaging-semantics", 17)]
    public async Task A_heartbeat_that_is_not_stored_counts_as_a_message()
    {
        using var rig = new ConnectionRig(client: MqttTestClient.Inline(), quota: new QuotaOptions { DailyMessages = 100 });

        await rig.Client.PublishAsync(Events + "heartbeat=true", "");
        await rig.Client.ExpectPubAckAsync(1);

        Assert.Empty(rig.Log.Records);
        Assert.Equal(1, rig.Meter.Daily!.Read().Sum());
    }

    [Fact]
    public async Task A_device_over_its_own_limit_waits_without_any_tier()
    {
        using var rig = new ConnectionRig(client: MqttTestClient.Inline(), access: new AccessOptions { MaxMessagesPerDevice = 2 });

        for (ushort id = 1; id <= 3; id++)
        {
            await rig.Client.PublishAsync(Events, "a", packetId: id);
        }

        Assert.Equal(2, rig.Log.Records.Count);
        rig.Time.Advance(TimeSpan.FromSeconds(0.5) + ALittle);
        await rig.Log.WaitForRecordsAsync(3);
        Assert.False(rig.Running.IsCompleted);
    }

    [Fact]
    public async Task Who_connects_over_the_hubs_rate_is_told_to_come_again()
    {
        await using var hub = await MqttHub.CreateAsync(quota: Quota(Metered.Connects, "1/min"));
        await hub.AcceptAsync();

        var (client, code, _) = await hub.ConnectAsync(hub.Connect());

        Assert.Equal(ConnectReturnCode.ServerUnavailable, code);
        await client.ExpectCloseAsync();
        hub.Time.Advance(TimeSpan.FromMinutes(1));
        await hub.AcceptAsync();
    }

    [Fact]
    public async Task Who_connects_over_its_own_limit_is_told_to_come_again_and_costs_no_other()
    {
        await using var hub = await MqttHub.CreateAsync(access: new AccessOptions { MaxConnectsPerDevice = 2 });
        await hub.CreateDeviceAsync("other");
        await hub.AcceptAsync();
        await hub.AcceptAsync();

        var (client, code, _) = await hub.ConnectAsync(hub.Connect());

        Assert.Equal(ConnectReturnCode.ServerUnavailable, code);
        await client.ExpectCloseAsync();
        await hub.AcceptAsync("other");
    }

    [Theory]
    [Conformance("sdk-gotchas", 5)]
    [InlineData(Metered.TwinReads, "$iothub/twin/GET/?$rid=", " ", 429_001)]
    [InlineData(Metered.TwinUpdates, "$iothub/twin/PATCH/properties/reported/?$rid=", """{"a":1}""", 429_001)]
    internal async Task A_twin_request_over_the_rate_is_answered_429_in_json(Metered operation, string topic, string payload, int code)
    {
        var quota = Quota(operation, "1/min");
        quota.MaxDelay = TimeSpan.Zero;
        await using var hub = await MqttHub.CreateAsync(quota: quota);
        var client = await hub.AcceptAsync();
        await client.SubscribeAsync(1, ("$iothub/twin/res/#", 0));
        await client.ExpectSubAckAsync(1);

        await client.PublishAsync(topic + "1", payload, qos: 0);
        Assert.StartsWith("$iothub/twin/res/20", (await client.ExpectPublishAsync()).Topic, StringComparison.Ordinal);
        await client.PublishAsync(topic + "2", payload, qos: 1, packetId: 9);

        var answer = await client.ExpectPublishAsync();
        Assert.Equal("$iothub/twin/res/429/?$rid=2", answer.Topic);
        var body = JsonNode.Parse(Encoding.UTF8.GetString(answer.Payload))!;
        Assert.Equal(code, (int)body["errorCode"]!);
        Assert.Contains("is 1/min", (string?)body["message"], StringComparison.Ordinal);
        await client.ExpectPubAckAsync(9);

        // The connection goes on.
        await client.PingAsync();
        await client.ExpectPingResponseAsync();
    }

    [Fact]
    public async Task A_used_up_day_refuses_twins_with_403_and_connects_go_on()
    {
        await using var hub = await MqttHub.CreateAsync(quota: new QuotaOptions { DailyMessages = 1 });
        hub.Meter.Charge(Metered.TelemetrySends, 1);
        var client = await hub.AcceptAsync();
        await client.SubscribeAsync(1, ("$iothub/twin/res/#", 0));
        await client.ExpectSubAckAsync(1);

        await client.PublishAsync("$iothub/twin/GET/?$rid=1", " ", qos: 0);

        var answer = await client.ExpectPublishAsync();
        Assert.Equal("$iothub/twin/res/403/?$rid=1", answer.Topic);
        Assert.Equal(403_002, (int)JsonNode.Parse(Encoding.UTF8.GetString(answer.Payload))!["errorCode"]!);
    }

    private static ConnectionRig Rig(Metered operation, string rate) => new(client: MqttTestClient.Inline(), quota: Quota(operation, rate));

    private static QuotaOptions Quota(Metered operation, string rate)
    {
        var quota = new QuotaOptions();
        quota.Set(operation, rate);
        return quota;
    }
}
