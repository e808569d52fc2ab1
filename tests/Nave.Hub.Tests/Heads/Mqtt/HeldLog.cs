using System.Buffers;
using Nave.EventLog;

namespace Nave.Hub.Tests.Heads.Mqtt;

/// <summary>
/// An event log in memory whose test decides when records become durable, when there is room and when it fails. Keeps
/// the records where asked to. Any thread may call.
/// </summary>
internal sealed class HeldLog(LogStream stream, bool keepsRecords = true) : IEventLog
{
    private readonly Lock _lock = new();
    private readonly List<HeldRecord> _records = [];
    private readonly HashSet<ICommitWaiter> _waiters = [];
    private TaskCompletionSource _room = NewSignal();
    private TaskCompletionSource<int> _appended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _last;
    private long _committed;
    private bool _isFull;

    public IReadOnlyList<LogStream> Streams { get; } = [stream];

    public LogPosition Committed => new(Interlocked.Read(ref _committed));

    public LogFault? Fault { get; private set; }

    /// <summary>What was taken, in order.</summary>
    public IReadOnlyList<HeldRecord> Records
    {
        get
        {
            lock (_lock)
            {
                return [.. _records];
            }
        }
    }

    public AppendOutcome TryAppend(LogPartition partition, in RecordParts record, ICommitWaiter? waiter, out LogPosition position)
    {
        lock (_lock)
        {
            position = default;
            if (Fault is not null)
            {
                return AppendOutcome.Refused;
            }

            if (_isFull)
            {
                return AppendOutcome.Full;
            }

            position = new LogPosition(++_last);
            if (waiter is not null)
            {
                _waiters.Add(waiter);
            }

            if (keepsRecords)
            {
                _records.Add(new HeldRecord(partition, [.. record.First, .. record.Second, .. record.Third, .. record.Body.ToArray()]));
                _appended.TrySetResult(_records.Count);
                _appended = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
            }

            return AppendOutcome.Taken;
        }
    }

    /// <summary>Completes when that many records have been taken.</summary>
    public async Task WaitForRecordsAsync(int count)
    {
        while (true)
        {
            Task next;
            lock (_lock)
            {
                if (_records.Count >= count)
                {
                    return;
                }

                next = _appended.Task;
            }

            await next.WaitAsync(TimeSpan.FromSeconds(10));
        }
    }

    /// <summary>Everything taken so far is on disk.</summary>
    public void Commit() => Commit(_last);

    /// <summary>Everything up to that record, counted from 1, is on disk.</summary>
    public void Commit(long position)
    {
        Interlocked.Exchange(ref _committed, position);
        foreach (var waiter in Waiters())
        {
            waiter.OnCommitted(new LogPosition(position));
        }
    }

    /// <summary>What is not committed is lost, and nothing more is taken.</summary>
    public void Fail()
    {
        Fault = new LogFault(LogFaultKind.WriteFailed, "The test broke the disk.");
        foreach (var waiter in Waiters())
        {
            waiter.OnFailed(Committed, Fault);
        }

        HasRoom();
    }

    /// <summary>The open batch takes nothing until <see cref="HasRoom"/>.</summary>
    public void IsFull()
    {
        lock (_lock)
        {
            _isFull = true;
            _room = NewSignal();
        }
    }

    /// <summary>There is room again.</summary>
    public void HasRoom()
    {
        lock (_lock)
        {
            _isFull = false;
            _room.TrySetResult();
        }
    }

    public ValueTask WaitForRoomAsync(CancellationToken stopping)
    {
        lock (_lock)
        {
            return _isFull ? new ValueTask(_room.Task.WaitAsync(stopping)) : default;
        }
    }

    public ValueTask WaitForCommitAsync(LogPosition position, CancellationToken stopping) => throw new NotSupportedException();

    public PartitionState GetState(LogPartition partition) => throw new NotSupportedException();

    public ValueTask<IPartitionReader> OpenReaderAsync(LogPartition partition, ReadFrom from, CancellationToken stopping) =>
        throw new NotSupportedException();

    public ValueTask DisposeAsync() => default;

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ICommitWaiter[] Waiters()
    {
        lock (_lock)
        {
            return [.. _waiters];
        }
    }
}

/// <summary>A record as it was appended.</summary>
internal sealed record HeldRecord(LogPartition Partition, byte[] Bytes);
