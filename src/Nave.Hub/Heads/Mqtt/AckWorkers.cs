using System.Collections.Concurrent;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>
/// Runs what follows a commit (acknowledgements, mostly) on few pool threads: one commit releases many connections, and a
/// work item for each would wake a thread for each. Work that finds no worker starts one; a worker that has more to do
/// than it should starts another, up to one a core.
/// </summary>
/// <remarks>One for the process, as the thread pool is. Items return at once and do not throw.</remarks>
internal static class AckWorkers
{
    /// <summary>Items that one worker takes before it asks for help: fewer than the wake-up of another costs.</summary>
    private const int ItemsBeforeHelp = 16;

    private static readonly ConcurrentQueue<IThreadPoolWorkItem> Due = new();
    private static readonly Worker Shared = new();
    private static readonly int MaxWorkers = Environment.ProcessorCount;
    private static int _workers;

    /// <summary>Has the item executed soon. Any thread may call.</summary>
    public static void Queue(IThreadPoolWorkItem item)
    {
        Due.Enqueue(item);
        if (Volatile.Read(ref _workers) is 0)
        {
            StartWorker();
        }
    }

    private static void StartWorker()
    {
        if (Interlocked.Increment(ref _workers) <= MaxWorkers)
        {
            ThreadPool.UnsafeQueueUserWorkItem(Shared, preferLocal: false);
        }
        else
        {
            Interlocked.Decrement(ref _workers);
        }
    }

    private sealed class Worker : IThreadPoolWorkItem
    {
        public void Execute()
        {
            var done = 0;
            while (Due.TryDequeue(out var item))
            {
                item.Execute();
                if (++done % ItemsBeforeHelp is 0 && !Due.IsEmpty)
                {
                    StartWorker();
                }
            }

            // Whoever queues after this sees no worker; what was queued before it is seen here.
            Interlocked.Decrement(ref _workers);
            if (!Due.IsEmpty)
            {
                StartWorker();
            }
        }
    }
}
