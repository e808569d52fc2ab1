using System.Data.Common;
using System.Text;
using System.Text.Json;
using Nave.Hub.Devices;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;
using Nave.Storage;

namespace Nave.Hub.Twins;

/// <summary>
/// Twins in SQL. A change reads its row, applies the pure rules and writes it in one unit, conditional on the version and
/// generation that it read: nothing of a twin is kept in memory, and no write of another node is overwritten.
/// </summary>
internal sealed class TwinStore(HubDatabase database, TwinReader reader, TwinOptions options, TimeProvider time)
{
    // Of a row read for a change; a reported patch reads its own section only.
    private const string FindReported = """
        SELECT version, generation_id, reported_version, json(reported), reported_metadata FROM twins
        WHERE device_id = @device AND module_id = @module
        """;

    private const string UpdateReported = """
        UPDATE twins SET version = version + 1, reported_version = reported_version + 1, reported = jsonb(@values), reported_metadata = @metadata
        WHERE device_id = @device AND module_id = @module AND version = @version AND generation_id = @generation
        """;

    private const string FindOwned = """
        SELECT version, generation_id, etag_counter, desired_version, json(tags), json(desired), desired_metadata FROM twins
        WHERE device_id = @device AND module_id = @module
        """;

    private const string UpdateOwned = """
        UPDATE twins SET version = version + 1, etag_counter = etag_counter + 1, desired_version = @desiredVersion,
            tags = jsonb(@tags), desired = jsonb(@desired), desired_metadata = @metadata
        WHERE device_id = @device AND module_id = @module AND version = @version AND generation_id = @generation
        """;

    private const string FindForDevice = """
        SELECT desired_version, reported_version, json(desired), json(reported) FROM twins
        WHERE device_id = @device AND module_id = @module AND generation_id = @generation
        """;

    private const string InsertOne = """
        INSERT INTO twins (device_id, module_id, generation_id, version, etag_counter, desired_version, reported_version,
            tags, desired, reported, desired_metadata, reported_metadata)
        VALUES (@device, @module, @generation, 2, 1, 1, 1, jsonb('{}'), jsonb('{}'), jsonb('{}'), @metadata, @metadata)
        """;

    private const string UpdateModel = """
        UPDATE twins SET version = version + 1, model_id = @model
        WHERE device_id = @device AND module_id = @module AND generation_id = @generation AND model_id IS DISTINCT FROM @model
        """;

    private const string FindModel = """
        SELECT coalesce(model_id, '') FROM twins WHERE device_id = @device AND module_id = @module AND generation_id = @generation
        """;

    private const string NeverUpdated = """{"$lastUpdated":"0001-01-01T00:00:00Z"}""";

    // One retry after a write that found the row changed under it; then the caller is told.
    private const int Attempts = 2;

    /// <summary>Makes the twin of an identity that was just inserted by the same unit (spec/service-rest.md 4.2).</summary>
    public static void Create(SqlSession session, IdentityId id, string generationId) => session.Execute(
        InsertOne,
        ("@device", id.Device.Value), ("@module", IdentityStore.ModuleColumn(id)), ("@generation", generationId), ("@metadata", NeverUpdated));

    /// <summary>The whole twin, or null.</summary>
    public Task<TwinDocument?> FindAsync(IdentityId id, CancellationToken stopping) =>
        database.ReadAsync(session => reader.Find(session, id), stopping);

    /// <summary>The twin as the device of that generation sees it, or null.</summary>
    public Task<DeviceTwin?> FindForDeviceAsync(IdentityId id, string generationId, CancellationToken stopping) => database.ReadAsync(
        session => session.Find(
            FindForDevice,
            static row => DeviceTwin.Of(row.GetInt64(0), row.GetInt64(1), TwinReader.Json(row, 2), TwinReader.Json(row, 3)),
            ("@device", id.Device.Value), ("@module", IdentityStore.ModuleColumn(id)), ("@generation", generationId)),
        stopping);

    /// <summary>Merges a checked patch into the reported properties. Durable when completed.</summary>
    public async ValueTask<ReportedOutcome> PatchReportedAsync(IdentityId id, ReportedPatch patch)
    {
        using var parsed = JsonDocument.Parse(patch.Json);
        try
        {
            return await database.WriteAsync(session => PatchReported(session, id, patch, parsed.RootElement), CancellationToken.None);
        }
        catch (StorageUnavailableException)
        {
            return HubFailures.Unavailable;
        }
    }

    /// <summary>Applies what a back end asks. Durable when completed.</summary>
    public async ValueTask<Outcome<TwinChanged>> ChangeAsync(IdentityId id, TwinUpdate update, ETagCondition condition)
    {
        try
        {
            return await database.WriteAsync(
                session => Change(session, id, update, condition).TryGet(out var changed, out var failure)
                    ? changed with { Document = reader.Find(session, id) }
                    : (Outcome<TwinChanged>)failure,
                CancellationToken.None);
        }
        catch (StorageUnavailableException)
        {
            return HubFailures.Unavailable;
        }
    }

    /// <summary>
    /// The same inside a unit of somebody else's: bulk requests, jobs, configurations. When the unit has committed, tell
    /// the identity's actor of <see cref="TwinChanged.Desired"/> (<see cref="IDeviceActor.TellDesiredAsync"/>).
    /// </summary>
    public Outcome<TwinChanged> Change(SqlSession session, IdentityId id, TwinUpdate update, ETagCondition condition)
    {
        var (device, module) = (id.Device.Value, IdentityStore.ModuleColumn(id));
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            if (session.Find(FindOwned, OwnedRow.Read, ("@device", device), ("@module", module)) is not { } row)
            {
                return NotFound(session, id);
            }

            if (condition.Check(TwinETag.Of(row.ETagCounter)) is { } mismatch)
            {
                return mismatch;
            }

            // 1. The sections after the change, and whether they are within their limits.
            var tags = Apply(update.Tags, row.Tags);
            var desired = Apply(update.Desired, row.Desired);
            if ((CheckSize(update.Tags, tags, TwinSection.Tags) ?? CheckSize(update.Desired, desired, TwinSection.Desired)) is { } tooLarge)
            {
                return tooLarge;
            }

            // 2. What desired changes bring with them.
            var version = update.Desired is null ? row.DesiredVersion : row.DesiredVersion + 1;
            var metadata = update.Desired is { } change
                ? ApplyMetadata(change, row.DesiredMetadata, new TwinStamp(time.GetUtcNow(), version))
                : row.DesiredMetadata;

            // 3. Only over the row that was read.
            var rows = session.Execute(
                UpdateOwned,
                ("@desiredVersion", version), ("@tags", Text(tags)), ("@desired", Text(desired)), ("@metadata", Text(metadata)),
                ("@device", device), ("@module", module), ("@version", row.Version), ("@generation", row.GenerationId));
            if (rows > 0)
            {
                return new TwinChanged(update.Desired is { } sent ? DesiredChange.Of(sent, version) : null);
            }
        }

        return HubFailures.PreconditionFailed;
    }

    /// <summary>Keeps the model that a device announced, if it is another than before.</summary>
    public async ValueTask KeepModelAsync(IdentityId id, string generationId, string model, CancellationToken stopping)
    {
        var (device, module) = (id.Device.Value, IdentityStore.ModuleColumn(id));
        var known = await database.ReadAsync(
            session => session.Find(
                FindModel, static row => row.GetString(0), ("@device", device), ("@module", module), ("@generation", generationId)),
            stopping);
        if (known is not null && known != model)
        {
            await database.WriteAsync(
                session => session.Execute(
                    UpdateModel, ("@model", model), ("@device", device), ("@module", module), ("@generation", generationId)),
                stopping);
        }
    }

    private ReportedOutcome PatchReported(SqlSession session, IdentityId id, ReportedPatch patch, JsonElement change)
    {
        var (device, module) = (id.Device.Value, IdentityStore.ModuleColumn(id));
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            // A session of an identity that was re-created meanwhile writes nothing into its successor.
            if (session.Find(FindReported, ReportedRow.Read, ("@device", device), ("@module", module)) is not { } row
                || row.GenerationId != patch.GenerationId)
            {
                return NotFound(session, id);
            }

            if (patch.ExpectedVersion is { } expected && expected != row.ReportedVersion)
            {
                return HubFailures.PreconditionFailed.Saying("The version of the reported properties is not the one named.");
            }

            using var current = JsonDocument.Parse(row.Reported);
            using var metadata = JsonDocument.Parse(row.Metadata);
            var values = TwinMerge.Values(current.RootElement, change);
            if (!TwinSize.IsWithin(values, options.MaxReportedBytes))
            {
                return TooLarge(TwinSection.Reported);
            }

            var stamped = TwinMerge.Metadata(metadata.RootElement, change, new TwinStamp(time.GetUtcNow(), version: null));
            var rows = session.Execute(
                UpdateReported,
                ("@values", Text(values)), ("@metadata", Text(stamped)),
                ("@device", device), ("@module", module), ("@version", row.Version), ("@generation", row.GenerationId));
            if (rows > 0)
            {
                return new ReportedOutcome(row.ReportedVersion + 1);
            }
        }

        return HubFailures.PreconditionFailed;
    }

    private HubFailure? CheckSize(SectionChange? change, byte[] section, TwinSection which) =>
        change is null || TwinSize.IsWithin(section, options.MaxBytesOf(which)) ? null : TooLarge(which);

    private HubFailure TooLarge(TwinSection section) => HubFailures.ArgumentInvalid.Saying(
        $"The {section.ToString().ToLowerInvariant()} of a twin take {options.MaxBytesOf(section)} bytes at most.");

    // A replacement is a patch of nothing: nulls in it are dropped (spec/service-rest.md 6.3).
    private static byte[] Apply(SectionChange? change, byte[] section)
    {
        if (change is null)
        {
            return section;
        }

        using var patch = JsonDocument.Parse(change.Json);
        using var current = JsonDocument.Parse(change.Replaces ? TwinMerge.Empty : section);
        return TwinMerge.Values(current.RootElement, patch.RootElement);
    }

    private static byte[] ApplyMetadata(SectionChange change, byte[] metadata, TwinStamp stamp)
    {
        using var patch = JsonDocument.Parse(change.Json);
        using var current = JsonDocument.Parse(change.Replaces ? TwinMerge.Empty : metadata);
        return TwinMerge.Metadata(current.RootElement, patch.RootElement, stamp);
    }

    private static HubFailure NotFound(SqlSession session, IdentityId id) =>
        id.IsModule && IdentityStore.Exists(session, new IdentityId(id.Device)) ? HubFailures.ModuleNotFound : HubFailures.DeviceNotFound;

    private static string Text(byte[] json) => Encoding.UTF8.GetString(json);

    /// <summary>What a change by a back end needs of the row.</summary>
    private sealed record OwnedRow(
        long Version, string GenerationId, long ETagCounter, long DesiredVersion, byte[] Tags, byte[] Desired, byte[] DesiredMetadata)
    {
        public static OwnedRow Read(DbDataReader row) => new(
            row.GetInt64(0), row.GetString(1), row.GetInt64(2), row.GetInt64(3),
            TwinReader.Json(row, 4), TwinReader.Json(row, 5), TwinReader.Json(row, 6));
    }

    /// <summary>What a reported patch needs of the row.</summary>
    private sealed record ReportedRow(long Version, string GenerationId, long ReportedVersion, byte[] Reported, byte[] Metadata)
    {
        public static ReportedRow Read(DbDataReader row) => new(
            row.GetInt64(0), row.GetString(1), row.GetInt64(2), TwinReader.Json(row, 3), TwinReader.Json(row, 4));
    }
}
