using Nave.Protocol.Identities;

namespace Nave.Hub.Heartbeats;

/// <summary>What sessions tell of their devices' lives. Modules are parts of a device: their messages are no sign of it.</summary>
internal sealed class HeartbeatIntake(HeartbeatTable table, HeartbeatOptions options, TimeProvider time)
{
    /// <summary>Where a session of that identity notes its life.</summary>
    public HeartbeatMark MarkOf(IdentityId id) => id.IsModule ? HeartbeatMark.None : table.MarkOf(id.Device.Value);

    /// <summary>A message came that says something to the monitor.</summary>
    /// <returns>Whether it was for the monitor alone, and is to be stored nowhere.</returns>
    public bool Take(IdentityId id, HeartbeatMark mark, HeartbeatSignal signal, bool isEmpty)
    {
        var now = time.GetUtcNow();
        mark.Heard(signal.Bits(now));
        if (!id.IsModule)
        {
            if (signal.Every is { } every)
            {
                table.Declare(id.Device.Value, every);
            }

            if (signal.SleepUntil is { } until)
            {
                table.Sleep(id.Device.Value, until - now, now);
            }
        }

        return signal.IsHeartbeat && isEmpty && !options.StoreMessages;
    }
}
