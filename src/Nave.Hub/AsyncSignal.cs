using System.Diagnostics.CodeAnalysis;

namespace Nave.Hub;

/// <summary>
/// Wakes one waiter, however often it was set. Setting it never runs the waiter's code on the setter's thread, so it may
/// be set under any lock.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "A semaphore whose wait handle nobody asked for holds nothing to dispose of.")]
internal sealed class AsyncSignal
{
    private readonly SemaphoreSlim _permits = new(0, 1);
    private int _isSet;

    public void Set()
    {
        if (Interlocked.Exchange(ref _isSet, 1) == 0)
        {
            _permits.Release();
        }
    }

    /// <summary>Waits for the next set, or consumes one that has come. The waiter looks again at what it waits for.</summary>
    public async ValueTask WaitAsync(CancellationToken stopping)
    {
        await _permits.WaitAsync(stopping);
        Interlocked.Exchange(ref _isSet, 0); // A full fence: what the waiter reads next is not older than this.
    }
}
