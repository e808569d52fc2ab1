using System.Data.Common;
using System.Text;
using Nave.Hub.Devices;
using Nave.Hub.Events;
using Nave.Protocol.Identities;
using Nave.Storage;
using Nave.Storage.Schema;

namespace Nave.Hub.Jobs;

/// <summary>
/// Jobs and their devices in SQL: what a job has done is what its rows say, so a restart goes on from there. Changes of
/// status are conditional on the status before; a device's outcome is one unit with the event that tells of it.
/// </summary>
internal sealed class JobStore(HubDatabase database, EventOutbox outbox, TimeProvider time)
{
    /// <summary>The tables. No reference to identities: the history of a job outlives its devices. Times are UTC ticks.</summary>
    public static readonly SchemaPart Schema = new(
        "jobs",
        ["""
        CREATE TABLE jobs (
            job_id {text} NOT NULL PRIMARY KEY, type {text} NOT NULL, status {text} NOT NULL, query_condition {text} NOT NULL,
            work {text} NOT NULL, created_at {long} NOT NULL, start_at {long} NOT NULL, max_seconds {long} NOT NULL,
            ended_at {long}, failure_reason {text}, is_expanded {long} NOT NULL) {keyed};
        CREATE INDEX jobs_by_time ON jobs (created_at, job_id);
        CREATE TABLE device_jobs (
            job_id {text} NOT NULL, device_id {text} NOT NULL, module_id {text} NOT NULL, status {text} NOT NULL,
            created_at {long} NOT NULL, updated_at {long} NOT NULL, started_at {long}, ended_at {long},
            response {text}, error_code {text}, error_description {text},
            PRIMARY KEY (job_id, device_id, module_id),
            FOREIGN KEY (job_id) REFERENCES jobs (job_id) ON DELETE CASCADE) {keyed};
        CREATE INDEX device_jobs_by_status ON device_jobs (job_id, status);
        CREATE INDEX device_jobs_by_device ON device_jobs (device_id);
        """]);

    /// <summary>What <see cref="ReadDeviceJob"/> reads, of <c>device_jobs r</c> and <c>jobs j</c>.</summary>
    public const string DeviceJobColumns = """
        j.job_id, j.type, j.status, j.query_condition, j.work, j.created_at, j.start_at, j.max_seconds, j.ended_at, j.failure_reason, j.is_expanded,
        r.device_id, r.module_id, r.status, r.created_at, r.updated_at, r.started_at, r.ended_at, r.response, r.error_code, r.error_description
        """;

    private const string Columns =
        "job_id, type, status, query_condition, work, created_at, start_at, max_seconds, ended_at, failure_reason, is_expanded";

    private const string Insert = $"""
        INSERT INTO jobs ({Columns})
        SELECT @id, @type, @status, @condition, @work, @created, @start, @max, NULL, NULL, 0
        WHERE (SELECT COUNT(*) FROM jobs WHERE status IN ('Scheduled', 'Queued')) < @limit
        ON CONFLICT DO NOTHING
        """;

    private const string Select = $"SELECT {Columns} FROM jobs WHERE job_id = @id";

    private const string SelectDue = $"""
        SELECT {Columns} FROM jobs WHERE status IN ('Scheduled', 'Queued', 'Running') AND start_at <= @now ORDER BY start_at, job_id LIMIT @limit
        """;

    private const string SelectPage = $"""
        SELECT {Columns} FROM jobs
        WHERE (created_at, job_id) < (@created, @id) AND (@type = '' OR type = @type) AND (@status = '' OR status = @status)
        ORDER BY created_at DESC, job_id DESC LIMIT @limit
        """;

    private const string SetStatus =
        "UPDATE jobs SET status = @to, ended_at = @ended, failure_reason = @reason WHERE job_id = @id AND status = @from";

    private const string SetExpanded = "UPDATE jobs SET is_expanded = 1 WHERE job_id = @id AND status = 'Running'";

    private const string InsertDevice = """
        INSERT INTO device_jobs (job_id, device_id, module_id, status, created_at, updated_at)
        VALUES (@id, @device, @module, 'Pending', @now, @now) ON CONFLICT DO NOTHING
        """;

    private const string SelectPending = """
        SELECT device_id, module_id FROM device_jobs
        WHERE job_id = @id AND status = 'Pending' AND (device_id, module_id) > (@device, @module) ORDER BY device_id, module_id LIMIT @limit
        """;

    // What was under way when the job was cancelled is told as it ended.
    private const string SetOutcome = """
        UPDATE device_jobs SET status = @status, updated_at = @now, started_at = @started, ended_at = @now,
            response = @response, error_code = @code, error_description = @description
        WHERE job_id = @id AND device_id = @device AND module_id = @module AND status IN ('Pending', 'Canceled')
        """;

    private const string EndPending = """
        UPDATE device_jobs SET status = @status, updated_at = @now, ended_at = @now, error_code = @code, error_description = @description
        WHERE job_id = @id AND status = 'Pending'
        """;

    private const string Count = "SELECT status, COUNT(*) FROM device_jobs WHERE job_id = @id GROUP BY status";

    private const string DeleteOld = """
        DELETE FROM jobs WHERE job_id IN (
            SELECT job_id FROM jobs WHERE status IN ('Completed', 'Failed', 'Cancelled') AND ended_at < @before LIMIT @limit)
        """;

    // An ended job with all its devices: not too many of them in one unit.
    private const int DeletedAtOnce = 10;

    /// <summary>Stores a new job.</summary>
    public Task<JobAdded> AddAsync(Job job, int maxWaiting, CancellationToken stopping) => database.WriteAsync(
        session => Find(session, job.Id) is not null ? JobAdded.Exists
            : session.Execute(
                Insert,
                ("@id", job.Id), ("@type", job.Type.ToString()), ("@status", job.Status.ToString()), ("@condition", job.QueryCondition),
                ("@work", Encoding.UTF8.GetString(job.Work)), ("@created", job.CreatedAt.UtcTicks), ("@start", job.StartAt.UtcTicks),
                ("@max", (long)job.MaxExecutionTime.TotalSeconds), ("@limit", (long)maxWaiting)) > 0 ? JobAdded.Added
            : JobAdded.TooMany,
        stopping);

    /// <summary>The job of that id, or null.</summary>
    public Task<Job?> FindAsync(string id, CancellationToken stopping) => database.ReadAsync(session => Find(session, id), stopping);

    /// <summary>Jobs, the youngest first, behind the one named.</summary>
    public Task<List<Job>> ListAsync(
        DateTimeOffset createdBefore, string idBefore, JobType? type, JobStatus? status, int limit, CancellationToken stopping) =>
        database.ReadAsync(
            session => session.List(
                SelectPage, Read,
                ("@created", createdBefore.UtcTicks), ("@id", idBefore), ("@type", type?.ToString() ?? ""), ("@status", status?.ToString() ?? ""),
                ("@limit", (long)limit)),
            stopping);

    /// <summary>Jobs whose time has come and that are not over, those that a crash interrupted among them.</summary>
    public Task<List<Job>> ListDueAsync(int limit, CancellationToken stopping) => database.ReadAsync(
        session => session.List(SelectDue, Read, ("@now", time.GetUtcNow().UtcTicks), ("@limit", (long)limit)), stopping);

    /// <summary>Takes a job from one status to the next; false when it was no longer there.</summary>
    public Task<bool> MoveAsync(string id, JobStatus from, JobStatus to, string? reason, CancellationToken stopping) =>
        database.WriteAsync(session => Move(session, id, from, to, reason), stopping);

    /// <summary>Cancels a job that is not over, and its devices that have not begun.</summary>
    public Task<bool> CancelAsync(string id, CancellationToken stopping) => database.WriteAsync(
        session =>
        {
            if (Find(session, id) is not { IsEnded: false } job || !Move(session, id, job.Status, JobStatus.Cancelled, reason: null))
            {
                return false;
            }

            End(session, id, DeviceJobStatus.Canceled, code: null, description: null);
            return true;
        },
        stopping);

    /// <summary>Gives devices their rows; those that have one keep it.</summary>
    public Task AddDevicesAsync(string id, IReadOnlyList<IdentityId> devices, CancellationToken stopping) => database.WriteAsync(
        session =>
        {
            var now = time.GetUtcNow().UtcTicks;
            foreach (var device in devices)
            {
                session.Execute(
                    InsertDevice, ("@id", id), ("@device", device.Device.Value), ("@module", IdentityStore.ModuleColumn(device)), ("@now", now));
            }
        },
        stopping);

    /// <summary>Every device has its row; false when the job was cancelled meanwhile.</summary>
    public Task<bool> ExpandedAsync(string id, CancellationToken stopping) =>
        database.WriteAsync(session => session.Execute(SetExpanded, ("@id", id)) > 0, stopping);

    /// <summary>Devices that have no outcome yet, behind the one named.</summary>
    public Task<List<IdentityId>> ListPendingAsync(string id, IdentityId? after, int limit, CancellationToken stopping) => database.ReadAsync(
        session => session.List(
            SelectPending, row => IdentityStore.ReadId(row, 0, 1),
            ("@id", id), ("@device", after?.Device.Value ?? ""), ("@module", after is { } last ? IdentityStore.ModuleColumn(last) : ""), ("@limit", (long)limit)),
        stopping);

    /// <summary>What became of the job on a device. Durable when completed.</summary>
    public Task SetOutcomeAsync(Job job, IdentityId device, DateTimeOffset startedAt, DeviceOutcome outcome, CancellationToken stopping) =>
        database.WriteAsync(
            session =>
            {
                var now = time.GetUtcNow();
                var rows = session.Execute(
                    SetOutcome,
                    ("@status", outcome.Status.ToString()), ("@now", now.UtcTicks), ("@started", startedAt.UtcTicks),
                    ("@response", outcome.Response is { } response ? Encoding.UTF8.GetString(response) : null),
                    ("@code", outcome.ErrorCode), ("@description", outcome.ErrorDescription),
                    ("@id", job.Id), ("@device", device.Device.Value), ("@module", IdentityStore.ModuleColumn(device)));
                if (rows > 0 && outbox.IsWanted(ChangeSource.DeviceJobLifecycleEvents))
                {
                    var told = new DeviceJob(
                        job, device, outcome.Status, job.CreatedAt, now, startedAt, now, outcome.Response, outcome.ErrorCode, outcome.ErrorDescription);
                    outbox.Add(session, ChangeEvent.DeviceJobChanged(device, now, JobJson.Write(told)));
                }
            },
            stopping);

    /// <summary>Fails every device that has not begun.</summary>
    public Task FailPendingAsync(string id, string code, string description, CancellationToken stopping) =>
        database.WriteAsync(session => End(session, id, DeviceJobStatus.Failed, code, description), stopping);

    /// <summary>How many devices are where; <paramref name="running"/> of the pending ones are being worked on.</summary>
    public Task<JobStatistics> CountAsync(string id, long running, CancellationToken stopping) => database.ReadAsync(
        session =>
        {
            var counts = session.List(Count, row => (Status: row.GetString(0), Count: row.GetInt64(1)), ("@id", id))
                .ToDictionary(row => row.Status, row => row.Count);
            var pending = counts.GetValueOrDefault(nameof(DeviceJobStatus.Pending));
            running = Math.Min(running, pending);
            return new JobStatistics(
                counts.Values.Sum(), counts.GetValueOrDefault(nameof(DeviceJobStatus.Failed)),
                counts.GetValueOrDefault(nameof(DeviceJobStatus.Completed)), running, pending - running);
        },
        stopping);

    /// <summary>Forgets jobs that ended before; a few at once.</summary>
    /// <returns>How many went: zero when none is left.</returns>
    public Task<int> DeleteOldAsync(DateTimeOffset before, CancellationToken stopping) => database.WriteAsync(
        session => session.Execute(DeleteOld, ("@before", before.UtcTicks), ("@limit", (long)DeletedAtOnce)), stopping);

    /// <summary>One device of a job, of a row that begins with <see cref="DeviceJobColumns"/>.</summary>
    public static DeviceJob ReadDeviceJob(DbDataReader row) => new(
        Read(row),
        IdentityStore.ReadId(row, 11, 12),
        Enum.Parse<DeviceJobStatus>(row.GetString(13)),
        new DateTimeOffset(row.GetInt64(14), TimeSpan.Zero),
        new DateTimeOffset(row.GetInt64(15), TimeSpan.Zero),
        row.IsDBNull(16) ? null : new DateTimeOffset(row.GetInt64(16), TimeSpan.Zero),
        row.IsDBNull(17) ? null : new DateTimeOffset(row.GetInt64(17), TimeSpan.Zero),
        row.IsDBNull(18) ? null : Encoding.UTF8.GetBytes(row.GetString(18)),
        row.IsDBNull(19) ? null : row.GetString(19),
        row.IsDBNull(20) ? null : row.GetString(20));

    private static Job? Find(SqlSession session, string id) => session.Find(Select, Read, ("@id", id));

    private bool Move(SqlSession session, string id, JobStatus from, JobStatus to, string? reason) => session.Execute(
        SetStatus,
        ("@to", to.ToString()),
        ("@ended", to is JobStatus.Completed or JobStatus.Failed or JobStatus.Cancelled ? time.GetUtcNow().UtcTicks : null),
        ("@reason", reason), ("@id", id), ("@from", from.ToString())) > 0;

    private int End(SqlSession session, string id, DeviceJobStatus status, string? code, string? description) => session.Execute(
        EndPending,
        ("@status", status.ToString()), ("@now", time.GetUtcNow().UtcTicks), ("@code", code), ("@description", description), ("@id", id));

    private static Job Read(DbDataReader row) => new()
    {
        Id = row.GetString(0),
        Type = Enum.Parse<JobType>(row.GetString(1)),
        Status = Enum.Parse<JobStatus>(row.GetString(2)),
        QueryCondition = row.GetString(3),
        Work = Encoding.UTF8.GetBytes(row.GetString(4)),
        CreatedAt = new DateTimeOffset(row.GetInt64(5), TimeSpan.Zero),
        StartAt = new DateTimeOffset(row.GetInt64(6), TimeSpan.Zero),
        MaxExecutionTime = TimeSpan.FromSeconds(row.GetInt64(7)),
        EndedAt = row.IsDBNull(8) ? null : new DateTimeOffset(row.GetInt64(8), TimeSpan.Zero),
        FailureReason = row.IsDBNull(9) ? null : row.GetString(9),
        IsExpanded = row.GetInt64(10) != 0,
    };
}

/// <summary>What became of a new job.</summary>
internal enum JobAdded
{
    Added,
    Exists,
    TooMany,
}
