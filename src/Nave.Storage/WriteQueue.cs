using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace Nave.Storage;

/// <summary>
/// Units on their way to the one writer. Adding takes no lock and wakes nobody while the writer is at work, which is what a
/// BlockingCollection costs for every unit.
/// </summary>
/// <param name="failing">Called for each unit that the queue fails, before it does: whatever was taken for it goes back.</param>
internal sealed class WriteQueue(Action failing) : IDisposable
{
    private readonly ConcurrentQueue<WriteUnit> _units = new();
    private readonly SemaphoreSlim _wake = new(0);
    private volatile bool _isClosed;
    private volatile bool _hasEnded;
    private int _isWaiting;

    /// <summary>Adds a unit. One that comes after the end is failed at once.</summary>
    public void Add(WriteUnit unit)
    {
        if (_isClosed)
        {
            failing();
            unit.Fail(Closed());
            return;
        }

        _units.Enqueue(unit);
        Interlocked.MemoryBarrier(); // Either the writer sees the unit, or this sees that the writer waits or has ended.
        if (_hasEnded)
        {
            FailAll(Closed());
        }
        else if (Volatile.Read(ref _isWaiting) is 1)
        {
            Wake();
        }
    }

    /// <summary>Takes no more; what is there is still given out.</summary>
    public void Close()
    {
        _isClosed = true;
        Interlocked.MemoryBarrier();
        Wake();
    }

    /// <summary>The next unit, if there is one. For the writer's thread.</summary>
    public bool TryTake([NotNullWhen(true)] out WriteUnit? unit) => _units.TryDequeue(out unit);

    /// <summary>The next unit, waited for; false when the queue is closed and empty.</summary>
    public bool Take([NotNullWhen(true)] out WriteUnit? unit)
    {
        while (true)
        {
            if (_units.TryDequeue(out unit))
            {
                return true;
            }

            if (_isClosed)
            {
                return _units.TryDequeue(out unit); // Added before it was closed.
            }

            Interlocked.Exchange(ref _isWaiting, 1);
            if (_units.IsEmpty && !_isClosed)
            {
                _wake.Wait();
            }

            Volatile.Write(ref _isWaiting, 0);
        }
    }

    /// <summary>The writer takes nothing any more: what is left, and what slips in behind it, is failed.</summary>
    public void End(Exception reason)
    {
        _isClosed = true;
        _hasEnded = true;
        Interlocked.MemoryBarrier();
        FailAll(reason);
    }

    /// <inheritdoc/>
    public void Dispose() => _wake.Dispose();

    private static StorageUnavailableException Closed() => new("The database is closed.");

    private void Wake()
    {
        if (Interlocked.Exchange(ref _isWaiting, 0) is 1)
        {
            _wake.Release();
        }
    }

    private void FailAll(Exception reason)
    {
        while (_units.TryDequeue(out var unit))
        {
            failing();
            unit.Fail(reason);
        }
    }
}
