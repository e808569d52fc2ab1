using System.Text.RegularExpressions;
using Nave.Protocol.Identities;

namespace Nave.Hub.Jobs;

/// <summary>Work to be done on every device that a condition selects (spec/service-rest.md 9), and how far it is.</summary>
internal sealed partial record Job
{
    /// <summary>1 to 64 letters, digits or <c>- _ . :</c>; unique in the hub.</summary>
    public required string Id { get; init; }

    public required JobType Type { get; init; }

    public required JobStatus Status { get; init; }

    /// <summary>The WHERE part of a query; <c>*</c> or nothing for all devices.</summary>
    public required string QueryCondition { get; init; }

    /// <summary>The request's <c>updateTwin</c> or <c>cloudToDeviceMethod</c>, as JSON.</summary>
    public required byte[] Work { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>Not before this.</summary>
    public required DateTimeOffset StartAt { get; init; }

    /// <summary>How long after <see cref="StartAt"/> work on a device may begin.</summary>
    public required TimeSpan MaxExecutionTime { get; init; }

    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>Why the job as a whole could not run.</summary>
    public string? FailureReason { get; init; }

    /// <summary>Whether every device that it is for has its row.</summary>
    public bool IsExpanded { get; init; }

    /// <summary>After this no device's work begins.</summary>
    public DateTimeOffset Deadline => StartAt + MaxExecutionTime;

    /// <summary>Whether nothing more will come of it.</summary>
    public bool IsEnded => Status is JobStatus.Completed or JobStatus.Failed or JobStatus.Cancelled;

    /// <summary>Whether a text can be a job's id.</summary>
    public static bool IsId(string? text) => text is not null && IdPattern().IsMatch(text);

    [GeneratedRegex(@"\A[A-Za-z0-9\-_.:]{1,64}\z")]
    private static partial Regex IdPattern();
}

/// <summary>What a job does on each device.</summary>
internal enum JobType
{
    ScheduleUpdateTwin,
    ScheduleDeviceMethod,
}

/// <summary>How far a job is.</summary>
internal enum JobStatus
{
    /// <summary>Its start time has not come.</summary>
    Scheduled,

    /// <summary>It waits for others to end.</summary>
    Queued,

    Running,

    /// <summary>Every device has an outcome, good or bad.</summary>
    Completed,

    /// <summary>The job as a whole could not run.</summary>
    Failed,

    Cancelled,
}

/// <summary>One device of a job.</summary>
internal enum DeviceJobStatus
{
    Pending,
    Completed,
    Failed,
    Canceled,
}

/// <summary>What became of a job on one device.</summary>
/// <param name="Status">Completed or failed.</param>
/// <param name="Response">JSON <c>{"status":..,"payload":..}</c> of a method that was answered; null otherwise.</param>
/// <param name="ErrorCode">The name of the failure; null when completed.</param>
/// <param name="ErrorDescription">Its words.</param>
internal sealed record DeviceOutcome(DeviceJobStatus Status, byte[]? Response = null, string? ErrorCode = null, string? ErrorDescription = null);

/// <summary>How many devices of a job are where.</summary>
internal readonly record struct JobStatistics(long Devices, long Failed, long Succeeded, long Running, long Pending);

/// <summary>One device of a job as queries show it.</summary>
internal sealed record DeviceJob(
    Job Job, IdentityId Id, DeviceJobStatus Status, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt,
    DateTimeOffset? StartedAt, DateTimeOffset? EndedAt, byte[]? Response, string? ErrorCode, string? ErrorDescription);
