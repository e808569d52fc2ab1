namespace Nave.Storage;

/// <summary>
/// The units of one commit whose waiters go on now, on few pool threads: a work item for each would wake a thread for each.
/// Every thread takes the next one, so that a waiter which takes its time holds up no more than its thread; few units have one.
/// </summary>
internal sealed class CommittedUnits(WriteUnit[] units, Exception? failure) : IThreadPoolWorkItem
{
    // Fewer than the wake-up of another thread costs.
    private const int UnitsPerThread = 16;

    private int _taken;

    /// <summary>Has them completed soon.</summary>
    public void Queue()
    {
        var threads = Math.Clamp(units.Length / UnitsPerThread, 1, Environment.ProcessorCount);
        for (var i = 0; i < threads; i++)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }
    }

    /// <inheritdoc/>
    void IThreadPoolWorkItem.Execute()
    {
        int next;
        while ((next = Interlocked.Increment(ref _taken) - 1) < units.Length)
        {
            units[next].Complete(failure);
        }
    }
}
