using Nave.Hub.Jobs;
using Nave.Hub.Tests.Devices;
using Nave.Protocol.Identities;

namespace Nave.Hub.Tests.Jobs;

/// <summary>What a job's rows keep, over crashes and cancels.</summary>
public sealed class JobStoreTests : IAsyncLifetime
{
    private static readonly CancellationToken Never = CancellationToken.None;

    private RegistryHarness _registry = null!;
    private JobStore _store = null!;

    public async ValueTask InitializeAsync()
    {
        _registry = await RegistryHarness.CreateAsync();
        _store = new JobStore(
            _registry.Database, _registry.Outbox, _registry.Time);
    }

    public ValueTask DisposeAsync() => _registry.DisposeAsync();

    [Fact]
    public async Task A_job_is_stored_once_and_only_so_many_wait()
    {
        Assert.Equal(JobAdded.Added, await _store.AddAsync(NewJob("a"), maxWaiting: 2, Never));
        Assert.Equal(JobAdded.Exists, await _store.AddAsync(NewJob("a"), maxWaiting: 2, Never));
        Assert.Equal(JobAdded.Added, await _store.AddAsync(NewJob("b"), maxWaiting: 2, Never));
        Assert.Equal(JobAdded.TooMany, await _store.AddAsync(NewJob("c"), maxWaiting: 2, Never));
        Assert.True(await _store.MoveAsync("a", JobStatus.Queued, JobStatus.Running, null, Never));
        Assert.Equal(JobAdded.Added, await _store.AddAsync(NewJob("c"), maxWaiting: 2, Never));
        Assert.Equal(NewJob("c") with { Work = [] }, (await _store.FindAsync("c", Never))! with { Work = [] });
    }

    [Fact]
    public async Task Expanding_again_keeps_the_outcomes_that_are_there()
    {
        var job = await RunningAsync("j");
        await _store.AddDevicesAsync("j", [Id("a"), Id("b"), Id("c")], Never);
        await _store.SetOutcomeAsync(job, Id("b"), _registry.Time.GetUtcNow(), new DeviceOutcome(DeviceJobStatus.Completed), Never);

        await _store.AddDevicesAsync("j", [Id("a"), Id("b"), Id("c"), Id("d")], Never);

        Assert.Equal([Id("a"), Id("c"), Id("d")], await _store.ListPendingAsync("j", null, 10, Never));
        Assert.Equal([Id("c"), Id("d")], await _store.ListPendingAsync("j", Id("a"), 10, Never));
        Assert.Equal(new JobStatistics(4, 0, 1, 1, 2), await _store.CountAsync("j", running: 1, Never));
    }

    [Fact]
    public async Task Who_was_under_way_at_a_cancel_is_told_as_it_ended()
    {
        var job = await RunningAsync("j");
        await _store.AddDevicesAsync("j", [Id("a"), Id("b")], Never);

        Assert.True(await _store.CancelAsync("j", Never));
        Assert.False(await _store.CancelAsync("j", Never));
        await _store.SetOutcomeAsync(job, Id("a"), _registry.Time.GetUtcNow(), new DeviceOutcome(DeviceJobStatus.Completed), Never);

        Assert.Equal(new JobStatistics(2, 0, 1, 0, 0), await _store.CountAsync("j", running: 0, Never));
        Assert.Equal(JobStatus.Cancelled, (await _store.FindAsync("j", Never))!.Status);
        Assert.False(await _store.MoveAsync("j", JobStatus.Running, JobStatus.Completed, null, Never));
    }

    [Fact]
    public async Task An_outcome_is_recorded_once()
    {
        var job = await RunningAsync("j");
        await _store.AddDevicesAsync("j", [Id("a")], Never);

        await _store.SetOutcomeAsync(job, Id("a"), job.CreatedAt, new DeviceOutcome(DeviceJobStatus.Completed), Never);
        await _store.SetOutcomeAsync(job, Id("a"), job.CreatedAt, new DeviceOutcome(DeviceJobStatus.Failed, null, "X", "late"), Never);

        Assert.Equal(new JobStatistics(1, 0, 1, 0, 0), await _store.CountAsync("j", running: 0, Never));
    }

    [Fact]
    public async Task Due_are_jobs_whose_time_has_come_and_that_a_crash_interrupted()
    {
        await RunningAsync("interrupted");
        await _store.AddAsync(NewJob("now"), 10, Never);
        await _store.AddAsync(NewJob("later") with { Status = JobStatus.Scheduled, StartAt = _registry.Time.GetUtcNow().AddMinutes(1) }, 10, Never);

        Assert.Equal(["interrupted", "now"], (await _store.ListDueAsync(10, Never)).Select(job => job.Id));
        _registry.Time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(["interrupted", "now", "later"], (await _store.ListDueAsync(10, Never)).Select(job => job.Id));
    }

    [Fact]
    public async Task Ended_jobs_are_forgotten_with_their_devices_when_they_are_old()
    {
        await RunningAsync("old");
        await _store.AddDevicesAsync("old", [Id("a")], Never);
        await _store.MoveAsync("old", JobStatus.Running, JobStatus.Completed, null, Never);
        await _store.AddAsync(NewJob("waiting"), 10, Never);
        _registry.Time.Advance(TimeSpan.FromDays(31));

        Assert.Equal(1, await _store.DeleteOldAsync(_registry.Time.GetUtcNow() - TimeSpan.FromDays(30), Never));

        Assert.Equal(0, await _store.DeleteOldAsync(_registry.Time.GetUtcNow() - TimeSpan.FromDays(30), Never));
        Assert.Null(await _store.FindAsync("old", Never));
        Assert.Equal(default, await _store.CountAsync("old", 0, Never));
        Assert.NotNull(await _store.FindAsync("waiting", Never));
    }

    private async Task<Job> RunningAsync(string id)
    {
        Assert.Equal(JobAdded.Added, await _store.AddAsync(NewJob(id), 10, Never));
        Assert.True(await _store.MoveAsync(id, JobStatus.Queued, JobStatus.Running, null, Never));
        return (await _store.FindAsync(id, Never))!;
    }

    private Job NewJob(string id) => new()
    {
        Id = id,
        Type = JobType.ScheduleUpdateTwin,
        Status = JobStatus.Queued,
        QueryCondition = "*",
        Work = "{}"u8.ToArray(),
        CreatedAt = _registry.Time.GetUtcNow(),
        StartAt = _registry.Time.GetUtcNow(),
        MaxExecutionTime = TimeSpan.FromHours(1),
    };

    private static IdentityId Id(string device) => new(DeviceId.Parse(device), null);
}
