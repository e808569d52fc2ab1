namespace Nave.EventLog.Reading;

/// <summary>
/// A few threads of their own for reads that may wait for the disk, so that catching up never takes the pool's threads
/// from the connections. Each reader has at most one read here, so the queue is as long as there are readers.
/// </summary>
internal sealed class ColdReads(int threads = 2) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Queue<Action> _queue = new();
    private readonly SemaphoreSlim _available = new(0);
    private readonly List<Thread> _threads = [];
    private bool _closed;

    public Task RunAsync(Action read)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_closed)
            {
                throw new LogFailedException(new LogFault(LogFaultKind.Stopping, "The event log is closed."));
            }

            _queue.Enqueue(() => Complete(read, done));
            if (_threads.Count < threads && _queue.Count > 0)
            {
                Start();
            }
        }

        _available.Release();
        return done.Task;
    }

    /// <summary>Ends the threads when they have read what was asked for.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_closed)
            {
                return;
            }

            _closed = true;
        }

        _available.Release(threads);
        foreach (var thread in _threads)
        {
            thread.Join();
        }

        _available.Dispose();
    }

    private static void Complete(Action read, TaskCompletionSource done)
    {
        try
        {
            read();
            done.SetResult();
        }
        catch (Exception e) // It belongs to the reader who awaits, whatever it is.
        {
            done.SetException(e);
        }
    }

    private void Start()
    {
        var thread = new Thread(Run) { IsBackground = true, Name = $"log-read-{_threads.Count}" };
        _threads.Add(thread);
        thread.Start();
    }

    private void Run()
    {
        while (true)
        {
            _available.Wait();
            Action? read;
            lock (_gate)
            {
                if (!_queue.TryDequeue(out read))
                {
                    return; // Only closing releases more than there is to read.
                }
            }

            read();
        }
    }
}
