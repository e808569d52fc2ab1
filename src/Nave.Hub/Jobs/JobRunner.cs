using Microsoft.Extensions.Logging;
using Nave.Hub.Devices;
using Nave.Hub.Methods;
using Nave.Hub.Queries;
using Nave.Hub.Quotas;
using Nave.Hub.Twins;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Jobs;

/// <summary>
/// Runs one job from wherever its rows say it is: gives every device that the condition selects a row, then works through
/// the rows that have no outcome. A device whose outcome is recorded is not worked on again; one that was under way at a
/// crash is.
/// </summary>
internal sealed partial class JobRunner(
    JobStore store, QueryRunner queries, IDeviceDirectory directory, MethodCaller methods, HubMeter meter, JobOptions options, TimeProvider time, ILogger<JobRunner> logger)
{
    private const int PageSize = 500;

    // What may pass by itself: the throttle, a full writer, a twin that changed under us.
    private const int Attempts = 4;

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);

    /// <summary>Runs the job until it is over, cancelled, or the hub stops.</summary>
    /// <param name="job">As it was read.</param>
    /// <param name="counter">How many devices are being worked on.</param>
    /// <param name="cancelled">The job was cancelled: begin no more devices; what is under way ends by itself.</param>
    /// <param name="stopping">The hub stops: leave everything to the next life.</param>
    public async Task RunAsync(Job job, RunningDevices counter, CancellationToken cancelled, CancellationToken stopping)
    {
        if (job.Status is not JobStatus.Running && !await store.MoveAsync(job.Id, job.Status, JobStatus.Running, reason: null, stopping))
        {
            return; // Cancelled before it began.
        }

        Log.Started(logger, job.Id, job.Type);
        if (!job.IsExpanded)
        {
            if (await ExpandAsync(job, cancelled, stopping) is { } failure)
            {
                await store.MoveAsync(job.Id, JobStatus.Running, JobStatus.Failed, failure.Message, stopping);
                Log.Failed(logger, job.Id, failure.Message);
                return;
            }

            if (!await store.ExpandedAsync(job.Id, stopping))
            {
                return;
            }
        }

        if (await WorkAsync(job, counter, cancelled, stopping))
        {
            await store.MoveAsync(job.Id, JobStatus.Running, JobStatus.Completed, reason: null, stopping);
            Log.Completed(logger, job.Id);
        }
    }

    private async Task<HubFailure?> ExpandAsync(Job job, CancellationToken cancelled, CancellationToken stopping)
    {
        if (!QueryParser.ParseCondition(job.QueryCondition).TryGet(out var condition, out var failure))
        {
            return failure;
        }

        IdentityId? last = null;
        for (var isMore = true; isMore && !cancelled.IsCancellationRequested;)
        {
            if (!(await queries.ListAsync(condition, last, PageSize, stopping)).TryGet(out var page, out failure))
            {
                return failure;
            }

            await store.AddDevicesAsync(job.Id, page.Ids, stopping);
            last = page.Ids.Count > 0 ? page.Ids[^1] : last;
            isMore = page.HasMore;
        }

        return null;
    }

    /// <returns>False when the job was cancelled.</returns>
    private async Task<bool> WorkAsync(Job job, RunningDevices counter, CancellationToken cancelled, CancellationToken stopping)
    {
        if (!JobWork.Read(job).TryGet(out var work, out var unreadable))
        {
            // A later version may be stricter than the one that took the job.
            await store.FailPendingAsync(job.Id, unreadable.Code.ToString(), unreadable.Message, stopping);
            return true;
        }

        IdentityId? last = null;
        while (!cancelled.IsCancellationRequested)
        {
            var page = await store.ListPendingAsync(job.Id, last, PageSize, stopping);
            if (page.Count == 0)
            {
                return true;
            }

            if (time.GetUtcNow() >= job.Deadline)
            {
                await store.FailPendingAsync(job.Id, "JobTimedOut", "The job's maxExecutionTimeInSeconds was over before the device's turn came.", stopping);
                return true;
            }

            await Parallel.ForEachAsync(
                page,
                new ParallelOptions { MaxDegreeOfParallelism = options.Concurrency, CancellationToken = stopping },
                async (device, _) =>
                {
                    if (cancelled.IsCancellationRequested || time.GetUtcNow() >= job.Deadline)
                    {
                        return;
                    }

                    counter.Begin();
                    try
                    {
                        await DoAsync(job, work, device, stopping);
                    }
                    finally
                    {
                        counter.End();
                    }
                });
            last = time.GetUtcNow() >= job.Deadline ? last : page[^1];
        }

        return false;
    }

    private async Task DoAsync(Job job, JobWork work, IdentityId device, CancellationToken stopping)
    {
        var throttled = await meter.PassPatientlyAsync(Metered.JobDeviceOperations, device, stopping);
        var started = time.GetUtcNow();
        if (started >= job.Deadline)
        {
            return; // It came too late: failed with the rest.
        }

        if (throttled is not null)
        {
            await store.SetOutcomeAsync(job, device, started, Failed(throttled).Outcome, stopping);
            return;
        }

        var pause = FirstPause;
        for (var attempt = 1; ; attempt++)
        {
            var (outcome, isTransient) = work.Update is { } update
                ? await UpdateAsync(update, work.Condition, device)
                : await InvokeAsync(work.Method!, device, stopping); // One of the two.
            if (!isTransient || attempt == Attempts || time.GetUtcNow() + pause >= job.Deadline)
            {
                await store.SetOutcomeAsync(job, device, started, outcome, stopping);
                return;
            }

            await Task.Delay(pause, time, stopping);
            pause *= 2;
        }
    }

    private async Task<(DeviceOutcome Outcome, bool IsTransient)> UpdateAsync(TwinUpdate update, ETagCondition condition, IdentityId device)
    {
        var changed = await directory.Of(device).ChangeTwinAsync(update, condition);
        if (changed.Failure is null)
        {
            meter.Charge(Metered.JobDeviceOperations, update.Bytes);
        }

        return changed.Failure is { } refused ? Failed(refused) : (new DeviceOutcome(DeviceJobStatus.Completed), false);
    }

    private async Task<(DeviceOutcome Outcome, bool IsTransient)> InvokeAsync(DirectMethodRequest request, IdentityId device, CancellationToken stopping)
    {
        if (!(await methods.InvokeAsync(device, request, stopping)).TryGet(out var response, out var failure))
        {
            stopping.ThrowIfCancellationRequested();
            return Failed(failure);
        }

        // Whatever the device's own status says: it was asked, and it answered.
        return (new DeviceOutcome(DeviceJobStatus.Completed, MethodJson.Write(response).ToArray()), false);
    }

    private static (DeviceOutcome Outcome, bool IsTransient) Failed(HubFailure failure) => (
        new DeviceOutcome(DeviceJobStatus.Failed, null, failure.Code.ToString(), failure.Message),
        failure.Code is HubErrorCode.ThrottlingException or HubErrorCode.ServiceUnavailable or HubErrorCode.ServerBusy);

    private static partial class Log
    {
        [LoggerMessage(5501, LogLevel.Information, "Job {JobId} runs: {Type}")]
        public static partial void Started(ILogger logger, string jobId, JobType type);

        [LoggerMessage(5502, LogLevel.Information, "Job {JobId} is complete")]
        public static partial void Completed(ILogger logger, string jobId);

        [LoggerMessage(5503, LogLevel.Warning, "Job {JobId} could not run: {Reason}")]
        public static partial void Failed(ILogger logger, string jobId, string reason);
    }
}

/// <summary>How many devices of a job are being worked on.</summary>
internal sealed class RunningDevices
{
    private int _count;

    public int Count => Volatile.Read(ref _count);

    public void Begin() => Interlocked.Increment(ref _count);

    public void End() => Interlocked.Decrement(ref _count);
}
