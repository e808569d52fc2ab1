using System.Buffers;
using Nave.EventLog;
using Nave.Hub.Access;
using Nave.Hub.Telemetry;
using Nave.Hub.Tests.Heads.Mqtt;

namespace Nave.Hub.Tests.Devices;

/// <summary>What a message costs its device.</summary>
public sealed class DeviceSessionTests
{
    [Fact]
    public void A_message_that_waits_is_counted_once_however_often_it_is_tried()
    {
        using var rig = new ConnectionRig(access: new AccessOptions { MaxMessagesPerDevice = 3 });
        var properties = TelemetryProperties.Empty;
        var body = new ReadOnlySequence<byte>("x"u8.ToArray());
        AppendOutcome Send() => rig.Session.TrySendTelemetry(properties, body, waiter: null).Outcome;

        rig.Log.IsFull();
        Assert.All(Enumerable.Range(0, 10), _ => Assert.Equal(AppendOutcome.Full, Send()));
        Assert.False(rig.Session.IsHeldBack);
        rig.Log.HasRoom();

        // That one and two more, then the device has sent what it may.
        Assert.Equal([AppendOutcome.Taken, AppendOutcome.Taken, AppendOutcome.Taken, AppendOutcome.Full], Enumerable.Range(0, 4).Select(_ => Send()));
        Assert.True(rig.Session.IsHeldBack);
    }
}
