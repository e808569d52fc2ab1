using Nave.Hub.Queries;

namespace Nave.Hub.Heartbeats;

/// <summary>How far the writing of transitions is behind their finding, for who reads states in SQL. Any thread may call.</summary>
internal sealed class HeartbeatWrites(TimeProvider time) : IMonitorStates
{
    // A database that takes nothing must not hold up who reads it.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly Queue<(long Batch, TaskCompletionSource Written)> _waiting = new();
    private long _found;
    private long _written;

    /// <summary>A batch of transitions was found.</summary>
    public void Found()
    {
        lock (_gate)
        {
            _found++;
        }
    }

    /// <summary>The oldest batches that were not written yet are.</summary>
    public void Written(int batches)
    {
        lock (_gate)
        {
            _written += batches;
            while (_waiting.TryPeek(out var first) && first.Batch <= _written)
            {
                _waiting.Dequeue().Written.TrySetResult();
            }
        }
    }

    /// <inheritdoc/>
    public async Task FlushAsync()
    {
        Task written;
        lock (_gate)
        {
            if (_written == _found)
            {
                return;
            }

            var signal = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Enqueue((_found, signal));
            written = signal.Task;
        }

        try
        {
            await written.WaitAsync(Patience, time);
        }
        catch (TimeoutException)
        {
            // What is there counts.
        }
    }
}
