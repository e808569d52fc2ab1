using System.Data.Common;
using System.Text.Json;
using Nave.Hub.Devices;
using Nave.Hub.DigitalTwins;
using Nave.Hub.Events;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;
using Nave.Storage;

namespace Nave.Hub.Twins;

/// <summary>
/// Changes twins inside units of <see cref="HubDatabase"/>. A change reads its row, applies the pure rules, and writes
/// with its event, conditional on the version and generation that it read: nothing of a twin is kept in memory but a reported
/// version, and no write of another node is overwritten.
/// </summary>
internal sealed class TwinWriter(TwinOptions options, EventOutbox outbox, TimeProvider time)
{
    // JSON is bound as the bytes that it is: a string would be made of them only to be unmade.
    private const string FindReported = """
        SELECT generation_id, reported_version, json(reported), json(reported_stamps) FROM twins
        WHERE device_id = @device AND module_id = @module
        """;

    private const string UpdateReported = """
        UPDATE twins SET version = version + 1, reported_version = reported_version + 1, reported = jsonb(CAST(@values AS TEXT)),
            reported_stamps = jsonb(CAST(@stamps AS TEXT))
        WHERE device_id = @device AND module_id = @module AND reported_version = @version AND generation_id = @generation
        """;

    // The database merges, and decides by the version whether it may: nothing is read, parsed and bound but the patch.
    private const string PatchInPlace = """
        UPDATE twins SET version = version + 1, reported_version = reported_version + 1, reported = jsonb_patch(reported, CAST(@patch AS TEXT)),
            reported_stamps = jsonb_patch(reported_stamps, CAST(@stamps AS TEXT))
        WHERE device_id = @device AND module_id = @module AND reported_version = @version AND generation_id = @generation
            AND length(reported) <= @room
        """;

    private const string FindOwned = """
        SELECT version, generation_id, etag_counter, desired_version, json(tags), json(desired), desired_metadata, json(configurations) FROM twins
        WHERE device_id = @device AND module_id = @module
        """;

    private const string UpdateOwned = """
        UPDATE twins SET version = version + 1, etag_counter = etag_counter + 1, desired_version = @desiredVersion,
            tags = jsonb(CAST(@tags AS TEXT)), desired = jsonb(CAST(@desired AS TEXT)), desired_metadata = CAST(@metadata AS TEXT)
        WHERE device_id = @device AND module_id = @module AND version = @version AND generation_id = @generation
        """;

    private const string UpdateConfigurations = """
        UPDATE twins SET configurations = jsonb(CAST(@configurations AS TEXT)) WHERE device_id = @device AND module_id = @module
        """;

    private const string UpdateModel = """
        UPDATE twins SET version = version + 1, model_id = @model
        WHERE device_id = @device AND module_id = @module AND generation_id = @generation AND model_id IS DISTINCT FROM @model
        """;

    private const string InsertOne = """
        INSERT INTO twins (device_id, module_id, generation_id, version, etag_counter, desired_version, reported_version,
            tags, desired, reported, desired_metadata, reported_stamps)
        VALUES (@device, @module, @generation, 2, 1, 1, 1, jsonb('{}'), jsonb('{}'), jsonb('{}'), @metadata, jsonb('{"":0}'))
        """;

    private const string NeverUpdated = """{"$lastUpdated":"0001-01-01T00:00:00Z"}""";

    // One retry after a write that found the row changed under it; then the caller is told.
    private const int Attempts = 2;

    /// <summary>
    /// Raised inside the unit that changes an identity's tags, before its commit: what is read of them in a later unit is
    /// the change or its undoing. Handlers return at once and do not throw.
    /// </summary>
    public event Action<IdentityId>? TagsChanging;

    /// <summary>
    /// Raised for each change of a twin inside its unit, before it commits: a unit of whoever hears it comes behind that one
    /// and sees the change, if it was kept. Handlers return at once.
    /// </summary>
    public event Action<IdentityId>? Changing;

    /// <summary>The row of a twin, or null.</summary>
    public static TwinRow? FindRow(SqlSession session, IdentityId id) => session.Find(
        TwinRow.Select + " WHERE device_id = @device AND module_id = @module",
        static row => TwinRow.Read(new SqlRow(row), 0),
        ("@device", id.Device.Value), ("@module", IdentityStore.ModuleColumn(id)));

    /// <summary>Null when the sections of a new twin would be within their limits.</summary>
    public HubFailure? CheckNew(TwinUpdate update) =>
        (update.Tags is { } tags ? CheckSize(tags, tags.Json, TwinSection.Tags) : null)
        ?? (update.Desired is { } desired ? CheckSize(desired, desired.Json, TwinSection.Desired) : null);

    /// <summary>Makes the twin of an identity that was just inserted by the same unit (spec/service-rest.md 4.2).</summary>
    public static void Create(SqlSession session, IdentityId id, string generationId) => session.Execute(
        InsertOne,
        ("@device", id.Device.Value), ("@module", IdentityStore.ModuleColumn(id)), ("@generation", generationId), ("@metadata", NeverUpdated));

    /// <summary>
    /// Applies what a back end asks. Only the identity's actor calls this for a device that may be connected
    /// (<see cref="IDeviceActor.ChangeTwinAsync"/>): it tells the device, in order.
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
                ? ApplyMetadata(change, row.DesiredMetadata, TwinStamp.OfDesired(time.GetUtcNow(), version))
                : row.DesiredMetadata;

            // 3. Only over the row that was read.
            var before = FindForDigitalTwin(session, id);
            var rows = session.Execute(
                UpdateOwned,
                ("@desiredVersion", version), ("@tags", tags), ("@desired", desired), ("@metadata", metadata),
                ("@device", device), ("@module", module), ("@version", row.Version), ("@generation", row.GenerationId));
            if (rows > 0)
            {
                if (update.Configurations is { } configurations)
                {
                    var written = Apply(configurations, row.Configurations ?? TwinMerge.Empty);
                    session.Execute(UpdateConfigurations, ("@configurations", written), ("@device", device), ("@module", module));
                }

                if (update.Tags is not null)
                {
                    TagsChanging?.Invoke(id);
                }

                Changing?.Invoke(id);
                Tell(session, id, update);
                TellDigitalTwin(session, id, before);
                return new TwinChanged(update.Desired is { } sent ? DesiredChange.Of(sent.Json, version) : null);
            }
        }

        return HubFailures.PreconditionFailed;
    }

    /// <summary>Whether somebody wants an event of a reported patch, which is written behind the twin.</summary>
    public bool TellsOfReported => outbox.IsWanted(ChangeSource.TwinChangeEvents) || outbox.IsWanted(ChangeSource.DigitalTwinChangeEvents);

    /// <summary>Reads what a device sent, as of now.</summary>
    public Outcome<ReportedPatch> ReadPatch(string generationId, byte[] json, long? expectedVersion) =>
        ReportedPatch.Read(generationId, json, expectedVersion, time.GetUtcNow());

    /// <summary>Merges a device's checked patch into the reported properties.</summary>
    /// <param name="session">The unit's.</param>
    /// <param name="id">Whose.</param>
    /// <param name="patch">As it was checked.</param>
    /// <param name="known">What is known of the reported properties, perhaps in vain.</param>
    /// <param name="tells">What <see cref="TellsOfReported"/> said; if no, the twin is the last that is written.</param>
    public ReportedOutcome PatchReported(SqlSession session, IdentityId id, ReportedPatch patch, ReportedVersion known, bool tells)
    {
        var outcome = (tells ? null : TryPatchInPlace(session, id, patch, known)) ?? PatchRow(session, id, patch, tells);
        known.Is(outcome);
        return outcome;
    }

    // Null where the row must be looked at: it is not what was known of it, or it is large.
    private ReportedOutcome? TryPatchInPlace(SqlSession session, IdentityId id, ReportedPatch patch, ReportedVersion known)
    {
        if (known.Value is not { } version || (patch.ExpectedVersion ?? version) != version || patch.Stamps is not { } stamps)
        {
            return null;
        }

        var rows = session.Execute(
            PatchInPlace,
            ("@patch", patch.Json), ("@stamps", stamps), ("@device", id.Device.Value), ("@module", IdentityStore.ModuleColumn(id)),
            ("@version", version), ("@generation", patch.GenerationId), ("@room", patch.RoomInPlace(options.MaxReportedBytes)));
        if (rows == 0)
        {
            return null;
        }

        Changing?.Invoke(id);
        return new ReportedOutcome(version + 1);
    }

    private ReportedOutcome PatchRow(SqlSession session, IdentityId id, ReportedPatch patch, bool tells)
    {
        var (device, module) = (id.Device.Value, IdentityStore.ModuleColumn(id));
        using var change = JsonDocument.Parse(patch.Json);
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            // A session of an identity that was re-created meanwhile writes nothing into its successor.
            if (session.Find(FindReported, ReportedRow.Read, ("@device", device), ("@module", module)) is not { } row
                || row.GenerationId != patch.GenerationId)
            {
                return NotFound(session, id);
            }

            if (patch.ExpectedVersion is { } expected && expected != row.Version)
            {
                return HubFailures.PreconditionFailed.Saying("The version of the reported properties is not the one named.");
            }

            using var current = JsonDocument.Parse(row.Reported);
            using var stamps = JsonDocument.Parse(row.Stamps);
            var values = TwinMerge.Values(current.RootElement, change.RootElement);
            if (!TwinSize.IsWithin(values, options.MaxReportedBytes))
            {
                return TooLarge(TwinSection.Reported);
            }

            var stamped = TwinMerge.Metadata(stamps.RootElement, change.RootElement, TwinStamp.OfReported(patch.At));
            var before = tells ? FindForDigitalTwin(session, id) : null;
            var rows = session.Execute(
                UpdateReported,
                ("@values", values), ("@stamps", stamped),
                ("@device", device), ("@module", module), ("@version", row.Version), ("@generation", row.GenerationId));
            if (rows > 0)
            {
                Changing?.Invoke(id);
                if (tells)
                {
                    TellReported(session, id, change.RootElement);
                    TellDigitalTwin(session, id, before);
                }

                return new ReportedOutcome(row.Version + 1);
            }
        }

        return HubFailures.PreconditionFailed;
    }

    /// <summary>Keeps the model that a device of that generation has announced.</summary>
    public void KeepModel(SqlSession session, IdentityId id, string generationId, string model)
    {
        var before = outbox.IsWanted(ChangeSource.DigitalTwinChangeEvents) ? FindRow(session, id) : null;
        var rows = session.Execute(
            UpdateModel,
            ("@model", model), ("@device", id.Device.Value), ("@module", IdentityStore.ModuleColumn(id)), ("@generation", generationId));
        if (rows > 0)
        {
            Changing?.Invoke(id);
            TellDigitalTwin(session, id, before);
        }
    }

    // spec/messaging-semantics.md 5: of an update the changed parts, of a replacement the whole twin.
    private void Tell(SqlSession session, IdentityId id, TwinUpdate update)
    {
        if (outbox.IsWanted(ChangeSource.TwinChangeEvents) && FindRow(session, id) is { } twin)
        {
            outbox.Add(session, update.IsReplace
                ? ChangeEvent.TwinReplaced(id, time.GetUtcNow(), TwinEvents.Whole(id, twin), twin.ModelId)
                : ChangeEvent.TwinUpdated(id, time.GetUtcNow(), TwinEvents.Update(twin, update), twin.ModelId));
        }
    }

    private void TellReported(SqlSession session, IdentityId id, JsonElement patch)
    {
        if (outbox.IsWanted(ChangeSource.TwinChangeEvents) && FindRow(session, id) is { } twin)
        {
            outbox.Add(session, ChangeEvent.TwinUpdated(id, time.GetUtcNow(), TwinEvents.Reported(twin, patch), twin.ModelId));
        }
    }

    // Of a device that has a model only: the others are no digital twins.
    private TwinRow? FindForDigitalTwin(SqlSession session, IdentityId id) =>
        outbox.IsWanted(ChangeSource.DigitalTwinChangeEvents) && FindRow(session, id) is { ModelId: not null } twin ? twin : null;

    private void TellDigitalTwin(SqlSession session, IdentityId id, TwinRow? before)
    {
        if (before is not null && FindRow(session, id) is { } after && DigitalTwinDifference.Of(id, before, after) is { } patch)
        {
            outbox.Add(session, ChangeEvent.DigitalTwinChanged(id, time.GetUtcNow(), patch, after.ModelId));
        }
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

    /// <summary>What is missing: the module, or its device too.</summary>
    public static HubFailure NotFound(SqlSession session, IdentityId id) =>
        id.IsModule && IdentityStore.Exists(session, new IdentityId(id.Device)) ? HubFailures.ModuleNotFound : HubFailures.DeviceNotFound;

    /// <summary>What a change by a back end needs of the row.</summary>
    private sealed record OwnedRow(
        long Version, string GenerationId, long ETagCounter, long DesiredVersion, byte[] Tags, byte[] Desired, byte[] DesiredMetadata,
        byte[]? Configurations)
    {
        public static OwnedRow Read(DbDataReader row) => new(
            row.GetInt64(0), row.GetString(1), row.GetInt64(2), row.GetInt64(3),
            TwinRow.Json(row, 4), TwinRow.Json(row, 5), TwinRow.Json(row, 6),
            row.IsDBNull(7) ? null : TwinRow.Json(row, 7));
    }

    /// <summary>What a reported patch needs of the row.</summary>
    private sealed record ReportedRow(string GenerationId, long Version, byte[] Reported, byte[] Stamps)
    {
        public static ReportedRow Read(DbDataReader row) => new(row.GetString(0), row.GetInt64(1), TwinRow.Json(row, 2), TwinRow.Json(row, 3));
    }
}
