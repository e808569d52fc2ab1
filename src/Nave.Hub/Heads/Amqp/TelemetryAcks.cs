using Amqp;
using Nave.EventLog;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// The outcomes that the telemetry links of one connection owe: <c>accepted</c> when a message's place in the log is
/// committed, in the order of arrival. The log's thread only marks and queues a work item; one item answers a whole batch
/// of all the connection's devices, in one flush.
/// </summary>
/// <remarks>
/// After a failed batch the log may go on, and later commits pass the failed positions: so what was appended before the
/// failure became known is judged by the failure alone. In doubt a message that is stored is rejected: its device sends
/// it again. Order of locks: sending -> this one; the signal's lock is a leaf that the log's thread takes.
/// </remarks>
internal sealed class TelemetryAcks(AmqpConnection connection) : ICommitWaiter, IThreadPoolWorkItem
{
    private readonly Lock _sending = new();
    private readonly Lock _lock = new();
    private readonly Lock _signal = new();
    private readonly Queue<Entry> _waiting = new();
    private readonly List<Entry> _due = [];
    private long _committed = long.MinValue;
    private readonly List<long> _failedBehind = [];
    private int _failures;
    private int _isQueued;

    /// <summary>To be taken before the first append of a message, and given to <see cref="Add"/>.</summary>
    public int Mark() => Volatile.Read(ref _failures);

    /// <summary>Answers when the position is committed.</summary>
    /// <param name="link">Whose message it is.</param>
    /// <param name="message">The delivery.</param>
    /// <param name="position">The place of its last record.</param>
    /// <param name="mark">From <see cref="Mark"/>.</param>
    public void Add(TelemetryLink link, Message message, LogPosition position, int mark)
    {
        lock (_lock)
        {
            _waiting.Enqueue(new Entry(link, message, position.Value, mark));
        }

        bool isDue;
        lock (_signal)
        {
            isDue = position.Value <= _committed || mark != _failures;
        }

        if (isDue)
        {
            Queue();
        }
    }

    /// <inheritdoc/>
    public void OnCommitted(LogPosition committed)
    {
        lock (_signal)
        {
            _committed = committed.Value;
        }

        Queue();
    }

    /// <inheritdoc/>
    public void OnFailed(LogPosition committed, LogFault fault)
    {
        lock (_signal)
        {
            _committed = Math.Max(_committed, committed.Value);
            _failedBehind.Add(committed.Value);
            Volatile.Write(ref _failures, _failedBehind.Count);
        }

        Queue();
    }

    /// <inheritdoc/>
    void IThreadPoolWorkItem.Execute()
    {
        // Cleared first: a commit that comes meanwhile queues anew.
        Volatile.Write(ref _isQueued, 0);
        lock (_sending)
        {
            TakeDue();
            if (_due.Count == 0)
            {
                return;
            }

            connection.Cork();
            foreach (var entry in _due)
            {
                entry.Link.Answer(entry.Message, entry.HasFailed ? HubFailures.Unavailable : null);
            }

            connection.Uncork();
            _due.Clear();
        }
    }

    private void Queue()
    {
        if (Interlocked.Exchange(ref _isQueued, 1) is 0)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    private void TakeDue()
    {
        lock (_lock)
        {
            lock (_signal)
            {
                while (_waiting.TryPeek(out var entry))
                {
                    var isDoubtful = entry.Mark < _failures;
                    if (!isDoubtful && entry.Position > _committed)
                    {
                        break;
                    }

                    _waiting.Dequeue();
                    _due.Add(entry with { HasFailed = isDoubtful && entry.Position > _failedBehind[entry.Mark] });
                }
            }
        }
    }

    private readonly record struct Entry(TelemetryLink Link, Message Message, long Position, int Mark)
    {
        public bool HasFailed { get; init; }
    }
}
