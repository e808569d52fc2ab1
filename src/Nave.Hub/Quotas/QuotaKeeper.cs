using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Nave.Storage;

namespace Nave.Hub.Quotas;

/// <summary>
/// Keeps the day's units over restarts: adds what was counted to SQL every few seconds, if anything was, and at a clean stop.
/// A crash loses at most what was counted since (docs/decisions/0024-quotas.md).
/// </summary>
internal sealed partial class QuotaKeeper(HubMeter meter, QuotaStore store, TimeProvider time, ILogger<QuotaKeeper> logger) : BackgroundService
{
    /// <summary>How often it writes at the most: what a crash may lose.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    // One exchange at a time: what is added is subtracted before the next one begins.
    private readonly SemaphoreSlim _turn = new(1, 1);

    /// <summary>Learns what today has used already. Before anybody comes in.</summary>
    public async Task LoadAsync(CancellationToken stopping)
    {
        if (meter.Daily is { } daily)
        {
            var today = DailyQuota.DayOf(time.GetUtcNow());
            daily.Saved([], today, await store.ReadAsync(today, stopping));
        }
    }

    /// <summary>Writes what was counted, and learns what others have.</summary>
    public async Task SaveAsync(CancellationToken stopping)
    {
        if (meter.Daily is not { } daily)
        {
            return;
        }

        await _turn.WaitAsync(stopping);
        try
        {
            var unsaved = daily.ReadUnsaved();
            if (unsaved.Count > 0)
            {
                var today = DailyQuota.DayOf(time.GetUtcNow());
                daily.Saved(unsaved, today, await store.AddAsync(unsaved, today, stopping));
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <inheritdoc/>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await TrySaveAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        base.Dispose();
        _turn.Dispose();
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (meter.Daily is null)
        {
            return;
        }

        using var timer = new PeriodicTimer(Interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                await TrySaveAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The stop itself writes once more.
        }
    }

    // A database that takes nothing has said so itself; what was counted stays counted.
    private async Task TrySaveAsync(CancellationToken stopping)
    {
        try
        {
            await SaveAsync(stopping);
        }
        catch (Exception e) when (e is StorageUnavailableException or IOException)
        {
            Log.NotSaved(logger, e.Message);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(8300, LogLevel.Warning, "The units that the day has used could not be written and will be with the next ones: {Reason}")]
        public static partial void NotSaved(ILogger logger, string reason);
    }
}
