using System.Collections.Concurrent;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Nave.Hub.Quotas;

namespace Nave.Hub.Jobs;

/// <summary>
/// Starts jobs when their time has come, so many at once, the oldest first; after a restart those first that it
/// interrupted. With more nodes it runs on one of them, which is the cluster's business.
/// </summary>
internal sealed partial class JobScheduler(JobStore store, JobRunner runner, HubMeter meter, JobOptions options, TimeProvider time, ILogger<JobScheduler> logger)
    : BackgroundService
{
    private const int TicksBetweenCleanings = 600;

    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);

    private readonly int _maxActive = Math.Min(options.MaxActive, meter.Plan.MaxActiveJobs ?? int.MaxValue);
    private readonly ConcurrentDictionary<string, RunningJob> _running = new();
    private readonly AsyncSignal _wake = new();

    /// <summary>There is a new job, or room for one.</summary>
    public void Wake() => _wake.Set();

    /// <summary>The job was cancelled: no further device of it begins.</summary>
    public void Cancel(string id)
    {
        if (_running.TryGetValue(id, out var job))
        {
            job.Cancelled.Cancel();
        }
    }

    /// <summary>Devices of the job that are being worked on.</summary>
    public int CountRunning(string id) => _running.TryGetValue(id, out var job) ? job.Devices.Count : 0;

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            for (var tick = 0; ; tick++)
            {
                await TickAsync(cleans: tick % TicksBetweenCleanings == 0, stoppingToken);
            }
        }
        finally
        {
            // They hear of the stop themselves; the database is there until they have.
            await Task.WhenAll(_running.Values.Select(job => job.Task));
        }
    }

    private async Task TickAsync(bool cleans, CancellationToken stopping)
    {
        try
        {
            await StartDueAsync(stopping);
            if (cleans)
            {
                await CleanAsync(stopping);
            }

            await WaitAsync(stopping);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            Log.TickFailed(logger, e); // Jobs that are due stay due.
            await Task.Delay(Tick, time, stopping);
        }
    }

    private async Task WaitAsync(CancellationToken stopping)
    {
        using var timer = new CancellationTokenSource(Tick, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, stopping);
        try
        {
            await _wake.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            // The next look.
        }
    }

    private async Task StartDueAsync(CancellationToken stopping)
    {
        if (_running.Count >= _maxActive)
        {
            return;
        }

        // Among the first so many are those that run.
        foreach (var job in await store.ListDueAsync(_maxActive + _running.Count, stopping))
        {
            if (_running.Count >= _maxActive)
            {
                return;
            }

            // Nobody else adds one.
            if (!_running.ContainsKey(job.Id))
            {
                var running = new RunningJob();
                _running[job.Id] = running;
                running.Task = RunAsync(job, running, stopping);
            }
        }
    }

    private async Task RunAsync(Job job, RunningJob running, CancellationToken stopping)
    {
        await Task.Yield();
        var isOver = false;
        try
        {
            await runner.RunAsync(job, running.Devices, running.Cancelled.Token, stopping);
            isOver = true;
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // The next life goes on with it.
        }
        catch (Exception e)
        {
            Log.JobFailed(logger, e, job.Id); // It stays due: the next tick tries again.
        }
        finally
        {
            _running.TryRemove(job.Id, out _);
        }

        if (isOver)
        {
            Wake();
        }
    }

    private async Task CleanAsync(CancellationToken stopping)
    {
        while (await store.DeleteOldAsync(time.GetUtcNow() - options.History, stopping) > 0)
        {
            // A few at once, until none is left.
        }
    }

    private sealed class RunningJob
    {
        public RunningDevices Devices { get; } = new();

        public CancellationTokenSource Cancelled { get; } = new();

        public Task Task { get; set; } = Task.CompletedTask;
    }

    private static partial class Log
    {
        [LoggerMessage(5510, LogLevel.Error, "Jobs that are due could not be started")]
        public static partial void TickFailed(ILogger logger, Exception exception);

        [LoggerMessage(5511, LogLevel.Error, "Job {JobId} was interrupted and will be tried again")]
        public static partial void JobFailed(ILogger logger, Exception exception, string jobId);
    }
}
