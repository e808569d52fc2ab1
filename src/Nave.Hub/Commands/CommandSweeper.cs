using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Nave.Hub.Devices;
using Nave.Protocol.Identities;

namespace Nave.Hub.Commands;

/// <summary>
/// The clock of commands and feedback: once a second it wakes the actors whose locks have run out and sends feedback that
/// is due; every few seconds it looks for messages past their expiry, also in queues that nobody has awake.
/// </summary>
internal sealed partial class CommandSweeper(
    IDeviceDirectory directory, CommandStore store, FeedbackStore feedbackStore, FeedbackQueue feedback, CommandClock clock, TimeProvider time, ILogger<CommandSweeper> logger)
    : BackgroundService
{
    // Expiry is at most 10 s late (spec/device-http.md 4).
    private const int ExpiryEverySeconds = 5;

    private const int ExpiredAtOnce = 1000;

    /// <summary>One second's work; a test calls it with a clock of its own.</summary>
    public async Task TickAsync(bool looksForExpired, CancellationToken stopping)
    {
        while (clock.TryTakeDue(time.GetTimestamp(), out var due))
        {
            await directory.Of(due).SweepCommandsAsync();
        }

        if (looksForExpired)
        {
            await feedbackStore.DeleteExpiredAsync(time.GetUtcNow(), stopping);
            foreach (var id in await store.ListExpiredAsync(time.GetUtcNow(), ExpiredAtOnce, stopping))
            {
                await directory.Of(id).SweepCommandsAsync();
            }
        }

        await feedback.PumpAsync(stopping);
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1), time);
        for (var second = 0; await timer.WaitForNextTickAsync(stoppingToken); second++)
        {
            try
            {
                await TickAsync(second % ExpiryEverySeconds == 0, stoppingToken);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                Log.TickFailed(logger, e); // The next second tries again: nothing was lost, only late.
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(5001, LogLevel.Error, "Commands whose time is over could not be handled")]
        public static partial void TickFailed(ILogger logger, Exception exception);
    }
}

/// <summary>Which actors to wake when: one ordered queue for all locks.</summary>
internal sealed class CommandClock : ICommandClock
{
    private readonly PriorityQueue<IdentityId, long> _due = new();
    private readonly Dictionary<IdentityId, long> _next = [];

    /// <inheritdoc/>
    public void WakeAt(IdentityId id, long timestamp)
    {
        lock (_due)
        {
            if (_next.TryGetValue(id, out var known) && known <= timestamp)
            {
                return;
            }

            _next[id] = timestamp;
            _due.Enqueue(id, timestamp);
        }
    }

    /// <summary>Takes out one identity whose time has come.</summary>
    public bool TryTakeDue(long now, out IdentityId id)
    {
        lock (_due)
        {
            while (_due.TryPeek(out id, out var at) && at <= now)
            {
                _due.Dequeue();
                if (_next.TryGetValue(id, out var expected) && expected == at)
                {
                    _next.Remove(id);
                    return true;
                }
            }

            id = default;
            return false;
        }
    }
}
