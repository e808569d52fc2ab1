using Nave.EventLog.Format;

namespace Nave.EventLog.Writing;

/// <summary>
/// The way in: takes records into the open batch under one short lock, and a thread of its own that swaps the batch,
/// writes it, syncs once, and then releases everyone who waits for it. Owns the numbering and the log's faults.
/// </summary>
/// <remarks>
/// One lock (_gate) for everything appenders touch; nothing is called under it. What only the commit thread touches
/// (<see cref="SegmentAppender"/>, the batch being written) has none.
/// </remarks>
internal sealed class LogWriter : IDisposable
{
    private static readonly LogFault Stopped = new(LogFaultKind.Stopping, "The event log is being closed.");

    private readonly Lock _gate = new();
    private readonly StreamTable _streams;
    private readonly SegmentAppender _segments;
    private readonly BatchPublisher _publisher;
    private readonly CommitPacing _pacing;
    private readonly TimeProvider _time;
    private readonly LogMeter _meter;
    private readonly Action<LogFault?>? _faultChanged;
    private readonly Thread _thread;
    private readonly ManualResetEventSlim _wake = new(false, spinCount: 0); // Without a handle, so it needs no disposal, which an appender might race with.
    private readonly PartitionMarks _marks; // As appended: ahead of what is committed.
    private readonly List<FailedRange> _failed = []; // What Committed passes without its records: rare, so few.
    private OpenBatch _open;
    private OpenBatch _other; // Being written, or unused.
    private bool _isWriting;
    private bool _isIdle;
    private bool _isStopping;
    private bool _mustRoll; // The active segment takes nothing more: go on in a new one before anything else.
    private bool _isRetryDue;
    private TaskCompletionSource? _room;
    private LogFault? _writeFault;
    private LogFault? _spaceFault;
    private LogFault? _fault;
    private long _committed;

    public LogWriter(
        StreamTable streams,
        PartitionMarks marks,
        SegmentAppender segments,
        BatchPublisher publisher,
        long lastFrame,
        EventLogOptions options,
        TimeProvider time,
        LogMeter meter)
    {
        _streams = streams;
        _marks = marks.Copy();
        _segments = segments;
        _publisher = publisher;
        _pacing = new CommitPacing(options.MaxLinger);
        _time = time;
        _meter = meter;
        _faultChanged = options.FaultChanged;
        _committed = lastFrame;
        _open = new OpenBatch(streams.Count, options.BatchBytes);
        _other = new OpenBatch(streams.Count, options.BatchBytes);
        _open.Reset(lastFrame + 1);
        _thread = new Thread(Run) { IsBackground = true, Name = "log-commit" };
    }

    public LogPosition Committed => new(Volatile.Read(ref _committed));

    public LogFault? Fault => Volatile.Read(ref _fault);

    public void Start() => _thread.Start();

    public AppendOutcome TryAppend(LogPartition partition, in RecordParts record, ICommitWaiter? waiter, out LogPosition position)
    {
        var index = _streams.IndexOf(partition);
        var length = record.First.Length + record.Second.Length + record.Third.Length + record.Body.Length;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, LogLimits.MaxRecordBytes, nameof(record));
        var register = Crc32C.Add(Crc32C.Add(Crc32C.Add(Crc32C.Start, record.First), record.Second), record.Third);
        register = Crc32C.Add(register, record.Body);
        var now = _time.GetUtcNow().ToUnixTimeMilliseconds();

        bool mustWake;
        var outcome = AppendOutcome.Taken;
        lock (_gate)
        {
            position = new LogPosition(_open.Number);
            if (_fault is not null)
            {
                return AppendOutcome.Refused;
            }

            if (_open.HasRoom((int)length))
            {
                // The clock may go back; enqueued times never do.
                var time = Math.Max(_marks.Time[index], now);
                _open.Add(partition, index, record, (int)length, register, _marks.Next[index]++, time);
                _marks.Time[index] = time;
                if (waiter is not null)
                {
                    _open.AddWaiter(waiter);
                }
            }
            else
            {
                outcome = AppendOutcome.Full;
            }

            mustWake = _isIdle;
            _isIdle = false;
        }

        if (mustWake || outcome is AppendOutcome.Full)
        {
            _wake.Set();
        }

        return outcome;
    }

    public ValueTask WaitForRoomAsync(CancellationToken stopping)
    {
        lock (_gate)
        {
            if (_fault is not null || _open.Records == 0)
            {
                return ValueTask.CompletedTask;
            }

            _room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return new ValueTask(_room.Task.WaitAsync(stopping));
        }
    }

    public ValueTask WaitForCommitAsync(LogPosition position, CancellationToken stopping)
    {
        lock (_gate)
        {
            foreach (var failed in _failed)
            {
                if (position.Value >= failed.First && position.Value <= failed.Last)
                {
                    return ValueTask.FromException(new LogFailedException(failed.Fault));
                }
            }

            if (position.Value <= _committed && !(_isWriting && position.Value == _other.Number))
            {
                return ValueTask.CompletedTask;
            }

            if (_fault is { Kind: LogFaultKind.Stopping } && _open.Records == 0 && !_isWriting)
            {
                return ValueTask.FromException(new LogFailedException(_fault));
            }

            var batch = _isWriting && position.Value == _other.Number ? _other : _open;
            return new ValueTask(batch.WaitAsync().WaitAsync(stopping));
        }
    }

    /// <summary>The keeper has looked at the free space.</summary>
    public void SetSpaceFault(LogFault? fault)
    {
        lock (_gate)
        {
            if (_spaceFault == fault)
            {
                return;
            }

            _spaceFault = fault;
            UpdateFault();
        }

        _faultChanged?.Invoke(Fault);
    }

    /// <summary>Try again, if it failed, to go on in a new segment.</summary>
    public void Retry()
    {
        lock (_gate)
        {
            if (!_mustRoll)
            {
                return;
            }

            _isRetryDue = true;
            _isIdle = false;
        }

        _wake.Set();
    }

    /// <summary>Ends the active segment before its next batch, because all that it holds is too old.</summary>
    public void EndSegment()
    {
        lock (_gate)
        {
            _mustRoll = true;
        }

        Retry();
    }

    /// <summary>Refuses new records, commits those taken, and ends the thread.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _isStopping = true;
            UpdateFault();
        }

        _wake.Set();
        if (_thread.IsAlive)
        {
            _thread.Join();
        }

        TakeRoomWaiters()?.SetResult();
        _open.Completion?.SetException(new LogFailedException(Stopped)); // Who waits for a batch that will never be.
        _segments.Dispose();
    }

    private void Run()
    {
        var last = _time.GetTimestamp();
        while (WaitForWork(out var linger))
        {
            if (linger > TimeSpan.Zero)
            {
                _wake.Wait(linger);
                _wake.Reset();
            }

            if (_mustRoll && !TryGoOn())
            {
                continue;
            }

            if (TakeBatch() is { } batch && Write(batch))
            {
                _pacing.Committed(batch.Records, _time.GetElapsedTime(last));
                last = _time.GetTimestamp();
            }
        }
    }

    /// <returns>False when the log stops and nothing is left to write.</returns>
    private bool WaitForWork(out TimeSpan linger)
    {
        linger = TimeSpan.Zero;
        while (true)
        {
            lock (_gate)
            {
                if (_open.Records > 0)
                {
                    linger = _isStopping ? TimeSpan.Zero : _pacing.Linger(_open.Records);
                    return true;
                }

                if (_isStopping)
                {
                    return false;
                }

                if (_isRetryDue)
                {
                    _isRetryDue = false;
                    return true;
                }

                _isIdle = true;
            }

            _wake.Wait();
            _wake.Reset(); // Whatever was set before this is seen by the next look.
        }
    }

    private OpenBatch? TakeBatch()
    {
        OpenBatch? batch = null;
        TaskCompletionSource? room = null;
        lock (_gate)
        {
            if (_open.Records > 0)
            {
                batch = _open;
                _open = _other;
                _other = batch;
                _open.Reset(batch.Number + 1);
                _isWriting = true;
                room = _room;
                _room = null;
            }
        }

        room?.SetResult();
        return batch;
    }

    private bool Write(OpenBatch batch)
    {
        var started = _time.GetTimestamp();
        CommittedFrame? frame = null;
        try
        {
            _segments.MakeRoom(batch);
            frame = batch.ToFrame(_segments.Identity, _streams);
            _segments.Write(frame);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            frame?.Dispose();
            Fail(batch, e);
            return false;
        }

        _meter.Committed(batch.Records, frame.Length, _time.GetElapsedTime(started));
        Volatile.Write(ref _committed, batch.Number);
        _publisher.Publish(frame); // Behind Committed: no reader sees what has not passed it.
        TaskCompletionSource? completion;
        lock (_gate)
        {
            _isWriting = false; // Behind Publish: whoever has waited for the commit sees it.
            completion = batch.Completion;
        }

        _publisher.TellCommitted(batch, Committed);
        completion?.SetResult();
        return true;
    }

    // Neither the batch nor the one that was open meanwhile (its numbers follow) will be durable. Never tried again as if
    // nothing had happened: after a failed sync nobody knows what is on the disk.
    private void Fail(OpenBatch batch, Exception cause)
    {
        _meter.Failed();
        var fault = _segments.Explain(cause);
        ICommitWaiter[] first;
        ICommitWaiter[] second;
        TaskCompletionSource?[] completions;
        lock (_gate)
        {
            first = [.. batch.Waiters];
            second = [.. _open.Waiters];
            completions = [batch.Completion, _open.Completion];
            NoteFailed(batch.Number, _open.Number, fault);
            _marks.CopyFrom(_publisher.CommittedMarks);
            _open.Reset(_open.Number + 1);
            _isWriting = false;
            _mustRoll = true;
            _isRetryDue = true; // The first try follows at once.
            _writeFault = fault;
            UpdateFault();
        }

        _publisher.TellFailed(first, second, Committed, fault, cause);
        foreach (var completion in completions)
        {
            completion?.SetException(new LogFailedException(fault));
        }

        TakeRoomWaiters()?.SetResult();
        _faultChanged?.Invoke(fault);
    }

    private bool TryGoOn()
    {
        try
        {
            _segments.Roll(_open.Number, 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var fault = _segments.Explain(e);
            lock (_gate)
            {
                _writeFault = fault;
                UpdateFault();
            }

            if (TakeBatch() is { } batch)
            {
                Fail(batch, e);
            }

            lock (_gate)
            {
                _isRetryDue = false; // The keeper's next tick asks for another try.
            }

            _faultChanged?.Invoke(fault);
            return false;
        }

        bool wasFaulty;
        lock (_gate)
        {
            wasFaulty = _writeFault is not null;
            _mustRoll = false;
            _writeFault = null;
            UpdateFault();
        }

        if (wasFaulty)
        {
            _faultChanged?.Invoke(Fault);
        }

        return true;
    }

    private void NoteFailed(long first, long last, LogFault fault)
    {
        if (_failed.Count > 0 && _failed[^1].Last == first - 1)
        {
            first = _failed[^1].First;
            _failed.RemoveAt(_failed.Count - 1);
        }

        _failed.Add(new FailedRange(first, last, fault));
    }

    private TaskCompletionSource? TakeRoomWaiters()
    {
        lock (_gate)
        {
            var room = _room;
            _room = null;
            return room;
        }
    }

    private void UpdateFault() => Volatile.Write(
        ref _fault,
        _isStopping ? Stopped : _writeFault ?? _spaceFault);

    private readonly record struct FailedRange(long First, long Last, LogFault Fault);
}
