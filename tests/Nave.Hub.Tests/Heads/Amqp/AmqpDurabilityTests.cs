using System.Runtime.CompilerServices;
using Amqp;
using Amqp.Framing;
using Nave.EventLog;
using Nave.Hub.Heads.Amqp;
using Nave.Hub.Telemetry;
using Nave.Hub.Tests.Harness;
using Nave.Hub.Tests.Heads.Mqtt;

namespace Nave.Hub.Tests.Heads.Amqp;

/// <summary>What a device hears of its telemetry before the log's commit and after one that failed.</summary>
public sealed class AmqpDurabilityTests
{
    [Fact]
    public async Task A_batch_that_ends_in_an_empty_heartbeat_is_accepted_when_its_telemetry_is_durable()
    {
        await using var hub = await DeviceHub.StartAsync();
        var log = HoldLog(hub);
        await using var client = await AmqpDeviceClient.ConnectDeviceAsync(hub, await hub.CreateAsync("dev"));
        var sender = await client.SenderAsync("/devices/dev/messages/events");

        var sending = sender.SendAsync(TelemetryAndHeartbeat());
        await log.WaitForRecordsAsync(1);
        await client.SenderAsync("/devices/dev/messages/events"); // An outcome would have come before this answer.
        await client.SenderAsync("/devices/dev/messages/events");

        Assert.False(sending.IsCompleted);
        log.Commit();
        Assert.Null(await sending);
    }

    [Fact]
    public async Task A_batch_that_ends_in_an_empty_heartbeat_is_rejected_when_its_commit_fails()
    {
        await using var hub = await DeviceHub.StartAsync();
        var log = HoldLog(hub);
        await using var client = await AmqpDeviceClient.ConnectDeviceAsync(hub, await hub.CreateAsync("dev"));
        var sender = await client.SenderAsync("/devices/dev/messages/events");

        var sending = sender.SendAsync(TelemetryAndHeartbeat());
        await log.WaitForRecordsAsync(1);
        log.Fail();

        Assert.NotNull(await sending);
    }

    private static HeldLog HoldLog(TestHub hub)
    {
        var log = new HeldLog(hub.Get<TelemetryStreams>().Telemetry);
        LogOf(hub.Get<TelemetryPipeline>()) = log;
        return log;
    }

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "<log>P")]
    private static extern ref IEventLog LogOf(TelemetryPipeline pipeline);

    private static Message TelemetryAndHeartbeat()
    {
        var heartbeat = new Message
        {
            ApplicationProperties = new ApplicationProperties { ["heartbeat"] = "1" },
            BodySection = new Data { Binary = [] },
        };
        var sections = new DataList();
        sections.Add(Inner(new Message { BodySection = new Data { Binary = "x"u8.ToArray() } }));
        sections.Add(Inner(heartbeat));
        return new Message { Format = TelemetryReader.BatchFormat, BodySection = sections };
    }

    private static Data Inner(Message message)
    {
        var encoded = message.Encode();
        return new Data { Binary = encoded.Buffer.AsSpan(encoded.Offset, encoded.Length).ToArray() };
    }
}
