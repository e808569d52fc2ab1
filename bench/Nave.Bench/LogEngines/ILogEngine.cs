namespace Nave.Bench.LogEngines;

/// <summary>A durable log under measurement. Appended to by one thread.</summary>
internal interface ILogEngine : IAsyncDisposable
{
    /// <summary>How often it has made a batch durable.</summary>
    long Syncs { get; }

    /// <summary>Takes a record. Durable when <paramref name="commits"/> hears of its position or a later one.</summary>
    /// <returns>The position.</returns>
    long Append(ReadOnlySpan<byte> payload, CommitSignal commits);
}

/// <summary>The way from an engine's own thread back to the one that appends: what has been made durable, and when.</summary>
internal sealed class CommitSignal(TimeProvider time) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Queue<(long Position, long At)> _commits = new();
    private readonly AutoResetEvent _committed = new(false);
    private Exception? _failure;

    /// <summary>Everything at or before the position is durable.</summary>
    public void OnCommitted(long position)
    {
        lock (_gate)
        {
            _commits.Enqueue((position, time.GetTimestamp()));
        }

        _committed.Set();
    }

    /// <summary>Nothing more will be.</summary>
    public void OnFailed(Exception failure)
    {
        lock (_gate)
        {
            _failure = failure;
        }

        _committed.Set();
    }

    /// <summary>Waits for the next commit.</summary>
    public (long Position, long At) Take()
    {
        while (true)
        {
            lock (_gate)
            {
                if (_commits.TryDequeue(out var commit))
                {
                    return commit;
                }

                if (_failure is { } failure)
                {
                    throw new IOException("the log failed", failure);
                }
            }

            _committed.WaitOne();
        }
    }

    public void Dispose() => _committed.Dispose();
}
