namespace Nave.PskGateway.Upstream;

/// <summary>
/// How many bytes may be under way to the hub, of all devices together. First come, first served. Each device waits with one
/// message at most, so what waits is bounded too.
/// </summary>
internal sealed class SendWindow(int maxBytes)
{
    private readonly Lock _lock = new();
    private readonly LinkedList<Waiter> _waiting = [];
    private int _bytes;

    /// <summary>Bytes under way.</summary>
    public int Bytes => Volatile.Read(ref _bytes);

    /// <summary>Takes room if there is some and nobody waits.</summary>
    public bool TryEnter(int bytes)
    {
        lock (_lock)
        {
            return _waiting.Count == 0 && TryTake(bytes);
        }
    }

    /// <summary>Takes room for so many bytes; what is larger than the window gets all of it.</summary>
    public ValueTask EnterAsync(int bytes, CancellationToken stopping)
    {
        Waiter waiter;
        lock (_lock)
        {
            if (_waiting.Count == 0 && TryTake(bytes))
            {
                return ValueTask.CompletedTask;
            }

            waiter = new Waiter(bytes);
            _waiting.AddLast(waiter);
        }

        return WaitAsync(waiter, stopping);
    }

    /// <summary>Gives the room back.</summary>
    public void Leave(int bytes)
    {
        lock (_lock)
        {
            _bytes -= Math.Min(bytes, maxBytes);
            Admit();
        }
    }

    private async ValueTask WaitAsync(Waiter waiter, CancellationToken stopping)
    {
        try
        {
            await waiter.Task.WaitAsync(stopping);
        }
        catch (OperationCanceledException)
        {
            lock (_lock)
            {
                // Let in at the same moment: the room goes to the next.
                if (!_waiting.Remove(waiter))
                {
                    _bytes -= Math.Min(waiter.Bytes, maxBytes);
                }

                Admit();
            }

            throw;
        }
    }

    private void Admit()
    {
        while (_waiting.First?.Value is { } next && TryTake(next.Bytes))
        {
            _waiting.RemoveFirst();
            next.SetResult();
        }
    }

    private bool TryTake(int bytes)
    {
        var taken = Math.Min(bytes, maxBytes);
        if (_bytes > maxBytes - taken)
        {
            return false;
        }

        _bytes += taken;
        return true;
    }

    private sealed class Waiter(int bytes) : TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public int Bytes { get; } = bytes;
    }
}
