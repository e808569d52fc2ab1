using Nave.EventLog;
using Nave.Hub.Devices;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>
/// The acknowledgements that a client waits for, in the order of its PUBLISHes (spec/device-mqtt.md 3 rule 3). An entry
/// leaves when it is at the front and its place in the log is committed or, of a reported patch or a method result, when
/// its owner has completed it. Bounded: the loop reads no further while it is
/// full. The log's thread only marks, and has a work item run later.
/// </summary>
/// <remarks>Order: this lock, then the writer's.</remarks>
internal sealed class AckQueue(MqttWriter writer, MqttChannel channel, MqttSignals signals, int limit, Action<IThreadPoolWorkItem> later)
    : ICommitWaiter, IThreadPoolWorkItem
{
    // Before every position of the log: an entry that waits for nothing.
    private const long Done = long.MinValue;

    // Behind every position of the log: an entry that its owner will complete.
    private const long Pending = long.MaxValue;

    private const int FirstEntries = 16;
    private const int BatchSize = 64;

    private readonly Lock _lock = new();
    private Entry[] _ring = [];
    private int _head;
    private int _count;
    private long _removed;
    private long _committed = Done;
    private bool _isFailed;
    private int _isQueued;
    private TaskCompletionSource? _room;

    /// <summary>Whether a further entry must wait. For the loop, which alone adds: meanwhile there can only be more room.</summary>
    public bool IsFull => Volatile.Read(ref _count) >= limit;

    /// <summary>Acknowledges when the position is committed.</summary>
    /// <param name="packetId">Of the PUBLISH.</param>
    /// <param name="position">Its place in the log.</param>
    /// <param name="receivedAt">When it was read, for the latency.</param>
    public void Add(ushort packetId, LogPosition position, long receivedAt) => Add(new Entry(position.Value, receivedAt, packetId));

    /// <summary>Acknowledges when everything before it has been.</summary>
    public void AddDone(ushort packetId, long receivedAt) => Add(new Entry(Done, receivedAt, packetId));

    /// <summary>Acknowledges when the owner has called <see cref="Complete"/>; whether the log fails meanwhile is all the same.</summary>
    /// <returns>The entry's number.</returns>
    public long AddPending(ushort packetId, long receivedAt)
    {
        lock (_lock)
        {
            Add(new Entry(Pending, receivedAt, packetId));
            return _removed + _count - 1;
        }
    }

    /// <summary>
    /// What the entry stands for is durable: hands what is due to the writer. Any thread may call, once for each entry, and
    /// flushes.
    /// </summary>
    public void Complete(long ticket)
    {
        lock (_lock)
        {
            ref var entry = ref _ring[(int)((_head + ticket - _removed) % _ring.Length)];
            entry = entry with { Position = Done };
        }

        Release();
    }

    /// <summary>Hands what is due to the writer. The caller flushes.</summary>
    public void Release()
    {
        TaskCompletionSource? room;
        lock (_lock)
        {
            ReleaseLocked();
            (room, _room) = (_room, null);
        }

        room?.TrySetResult();
    }

    /// <summary>Completes when a further entry has room.</summary>
    public ValueTask WaitForRoomAsync(CancellationToken closing) => WaitUntilBelowAsync(limit, closing);

    /// <summary>Completes when nothing waits any more, or the log has failed.</summary>
    public ValueTask WaitUntilEmptyAsync(CancellationToken deadline) => WaitUntilBelowAsync(1, deadline);

    /// <inheritdoc/>
    public void OnCommitted(LogPosition committed)
    {
        if (Volatile.Read(ref _isFailed))
        {
            return; // Later positions pass the one that failed: what waits for that must not be acknowledged.
        }

        Volatile.Write(ref _committed, committed.Value);
        Queue();
    }

    /// <inheritdoc/>
    public void OnFailed(LogPosition committed, LogFault fault)
    {
        Volatile.Write(ref _committed, committed.Value);
        Volatile.Write(ref _isFailed, true);
        Queue();
    }

    /// <inheritdoc/>
    void IThreadPoolWorkItem.Execute()
    {
        // Cleared first: a commit that comes during the release queues anew.
        Volatile.Write(ref _isQueued, 0);
        Release();
        writer.Flush();
        if (Volatile.Read(ref _isFailed))
        {
            // What was not committed will not be: no PUBACK, the client sends it again.
            channel.Close(CloseReason.LogUnavailable);
        }
    }

    private void Queue()
    {
        if (Interlocked.Exchange(ref _isQueued, 1) is 0)
        {
            later(this);
        }
    }

    private async ValueTask WaitUntilBelowAsync(int bound, CancellationToken closing)
    {
        while (true)
        {
            Task room;
            lock (_lock)
            {
                if (_count < bound || _isFailed)
                {
                    return;
                }

                _room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                room = _room.Task;
            }

            await room.WaitAsync(closing);
        }
    }

    private void Add(Entry entry)
    {
        lock (_lock)
        {
            if (_count == _ring.Length)
            {
                Grow();
            }

            _ring[(_head + _count) % _ring.Length] = entry;
            _count++;
        }
    }

    private void ReleaseLocked()
    {
        var committed = Volatile.Read(ref _committed);
        Span<ushort> packetIds = stackalloc ushort[BatchSize];
        while (_count > 0 && _ring[_head].Position <= committed)
        {
            var oldest = _ring[_head];
            var released = 0;
            while (released < BatchSize && _count > 0 && _ring[_head].Position <= committed)
            {
                packetIds[released++] = _ring[_head].PacketId;
                _head = (_head + 1) % _ring.Length;
                _count--;
                _removed++;
            }

            writer.PubAcks(packetIds[..released]);
            signals.Acknowledged(released, oldest.ReceivedAt);
        }
    }

    private void Grow()
    {
        var larger = new Entry[Math.Max(FirstEntries, _ring.Length * 2)];
        for (var i = 0; i < _count; i++)
        {
            larger[i] = _ring[(_head + i) % _ring.Length];
        }

        _ring = larger;
        _head = 0;
    }

    private readonly record struct Entry(long Position, long ReceivedAt, ushort PacketId);
}
