using Nave.EventLog;
using Nave.Hub.Devices;
using Nave.Hub.Heads.Mqtt;
using Nave.Hub.Monitoring;
using Nave.Hub.Tests.Harness;

namespace Nave.Hub.Tests.Heads.Mqtt;

public sealed class AckQueueTests
{
    [Fact]
    public void What_a_failed_batch_held_is_not_acknowledged_when_the_log_goes_on()
    {
        var client = new MqttTestClient();
        using var rig = new ConnectionRig(client: client);
        var writer = new MqttWriter(client.ServerSide.Output, rig.Channel, maxUnsentBytes: 1 << 20);
        using var metrics = new HubMetrics();
        var signals = new MqttSignals(Microsoft.Extensions.Logging.Abstractions.NullLogger<MqttSignals>.Instance, metrics, rig.Time);
        var queue = new AckQueue(writer, rig.Channel, signals, limit: 10, AckWorkers.Queue);
        queue.Add(1, new LogPosition(5), receivedAt: 0);

        queue.OnFailed(new LogPosition(4), new LogFault(LogFaultKind.WriteFailed, "The sync of position 5 failed."));
        queue.Add(2, new LogPosition(7), receivedAt: 0);
        queue.OnCommitted(new LogPosition(7)); // In the next segment: it passes position 5 without its record.
        ((IThreadPoolWorkItem)queue).Execute();

        Assert.False(client.Incoming.TryRead(out _));
        Assert.Equal(CloseReason.LogUnavailable, rig.Channel.Reason);
    }
}
