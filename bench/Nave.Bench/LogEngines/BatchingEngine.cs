namespace Nave.Bench.LogEngines;

/// <summary>Records of one size that gathered for one commit, one behind the other.</summary>
internal sealed class RecordsToCommit(int recordBytes, int capacity)
{
    private readonly byte[] _bytes = new byte[recordBytes * capacity];

    public int Count { get; private set; }

    /// <summary>All of them.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes.AsSpan(0, Count * recordBytes);

    public int RecordBytes => recordBytes;

    public void Add(ReadOnlySpan<byte> record)
    {
        record.CopyTo(_bytes.AsSpan(Count * recordBytes));
        Count++;
    }

    public void Clear() => Count = 0;
}

/// <summary>Makes a batch durable; returns when it is.</summary>
internal interface IBatchSink : IDisposable
{
    void Commit(RecordsToCommit records);
}

/// <summary>
/// Group commit in front of a sink, the way Nave's log does it: appenders copy into the open batch, a thread swaps it and
/// makes what gathered meanwhile durable at once.
/// </summary>
internal sealed class BatchingEngine : ILogEngine
{
    private readonly IBatchSink _sink;
    private readonly Lock _gate = new();
    private readonly ManualResetEventSlim _wake = new(false, spinCount: 0);
    private readonly Thread _thread;
    private RecordsToCommit _open;
    private RecordsToCommit _other;
    private CommitSignal? _commits;
    private long _position = 1;
    private bool _isIdle;
    private bool _isStopping;
    private long _syncs;

    /// <param name="inFlight">No batch is larger.</param>
    public BatchingEngine(IBatchSink sink, int recordBytes, int inFlight)
    {
        _sink = sink;
        (_open, _other) = (new RecordsToCommit(recordBytes, inFlight), new RecordsToCommit(recordBytes, inFlight));
        _thread = new Thread(Run) { IsBackground = true, Name = "commit" };
        _thread.Start();
    }

    public long Syncs => Interlocked.Read(ref _syncs);

    public long Append(ReadOnlySpan<byte> payload, CommitSignal commits)
    {
        bool mustWake;
        long position;
        lock (_gate)
        {
            _commits = commits;
            _open.Add(payload);
            position = _position;
            mustWake = _isIdle;
            _isIdle = false;
        }

        if (mustWake)
        {
            _wake.Set();
        }

        return position;
    }

    public ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _isStopping = true;
        }

        _wake.Set();
        _thread.Join();
        _wake.Dispose();
        _sink.Dispose();
        return ValueTask.CompletedTask;
    }

    private void Run()
    {
        while (true)
        {
            RecordsToCommit? records = null;
            long position;
            lock (_gate)
            {
                position = _position;
                if (_open.Count > 0)
                {
                    (records, _open, _other) = (_open, _other, _open);
                    _position++;
                }
                else if (_isStopping)
                {
                    return;
                }
                else
                {
                    _isIdle = true;
                    _wake.Reset();
                }
            }

            if (records is null)
            {
                _wake.Wait();
                continue;
            }

            try
            {
                _sink.Commit(records);
            }
            catch (Exception e) // Told to who waits, whatever it is: the run is over.
            {
                _commits?.OnFailed(e);
                return;
            }

            Interlocked.Increment(ref _syncs);
            records.Clear();
            _commits?.OnCommitted(position);
        }
    }
}
