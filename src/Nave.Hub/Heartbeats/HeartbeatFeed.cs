using System.Threading.Channels;

namespace Nave.Hub.Heartbeats;

/// <summary>Something that the monitor has to say to whoever listens now.</summary>
/// <param name="Kind"><c>transition</c>, <c>group</c>, <c>hub</c> or <c>flapping</c>.</param>
/// <param name="Body">JSON in UTF-8.</param>
internal sealed record HeartbeatNotice(string Kind, byte[] Body);

/// <summary>Tells listeners of transitions while they happen. A listener that cannot keep up loses the oldest; history has them all.</summary>
internal sealed class HeartbeatFeed
{
    // A group that falls silent is some hundreds at once.
    private const int Capacity = 4096;

    /// <summary>Listeners of one hub: each holds memory.</summary>
    public const int MaxListeners = 64;

    private readonly Lock _gate = new();
    private readonly List<Channel<HeartbeatNotice>> _listeners = [];

    /// <summary>Tells everybody.</summary>
    public void Tell(HeartbeatNotice notice)
    {
        lock (_gate)
        {
            foreach (var listener in _listeners)
            {
                listener.Writer.TryWrite(notice);
            }
        }
    }

    /// <summary>A new listener, or null when there are too many.</summary>
    public HeartbeatListener? Listen()
    {
        var channel = Channel.CreateBounded<HeartbeatNotice>(new BoundedChannelOptions(Capacity) { FullMode = BoundedChannelFullMode.DropOldest });
        lock (_gate)
        {
            if (_listeners.Count >= MaxListeners)
            {
                return null;
            }

            _listeners.Add(channel);
        }

        return new HeartbeatListener(this, channel);
    }

    internal void Remove(Channel<HeartbeatNotice> channel)
    {
        lock (_gate)
        {
            _listeners.Remove(channel);
        }
    }
}

/// <summary>One who listens; disposing of it ends that.</summary>
internal sealed class HeartbeatListener(HeartbeatFeed feed, Channel<HeartbeatNotice> channel) : IDisposable
{
    /// <summary>What there is to hear.</summary>
    public ChannelReader<HeartbeatNotice> Notices => channel.Reader;

    /// <inheritdoc/>
    public void Dispose() => feed.Remove(channel);
}
