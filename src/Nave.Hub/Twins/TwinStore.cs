using Nave.Hub.Devices;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;
using Nave.Storage;

namespace Nave.Hub.Twins;

/// <summary>Twins in SQL: reads on reader connections, changes by <see cref="TwinWriter"/> in units of the group commit.</summary>
internal sealed class TwinStore(HubDatabase database, TwinReader reader, TwinWriter writer)
{
    private const string FindDesired = "SELECT desired_version, json(desired) FROM twins WHERE device_id = @device AND module_id = @module";

    private const string FindForDevice = """
        SELECT desired_version, reported_version, json(desired), json(reported) FROM twins
        WHERE device_id = @device AND module_id = @module AND generation_id = @generation
        """;

    private const string FindModel = """
        SELECT coalesce(model_id, '') FROM twins WHERE device_id = @device AND module_id = @module AND generation_id = @generation
        """;

    /// <summary>The whole twin.</summary>
    public Task<Outcome<TwinDocument>> GetAsync(IdentityId id, CancellationToken stopping) => database.ReadAsync(
        session => reader.Find(session, id) is { } twin ? twin : (Outcome<TwinDocument>)TwinWriter.NotFound(session, id), stopping);

    /// <summary>The complete desired section with its version, for a device that has missed some; null when there is no twin.</summary>
    public Task<DesiredChange?> FindDesiredAsync(IdentityId id) => database.ReadAsync(
        session => session.Find(
            FindDesired,
            static row => DesiredChange.Of(TwinRow.Json(row, 1), row.GetInt64(0)),
            ("@device", id.Device.Value), ("@module", IdentityStore.ModuleColumn(id))),
        CancellationToken.None);

    /// <summary>The twin as the device of that generation sees it, or null.</summary>
    public Task<DeviceTwin?> FindForDeviceAsync(IdentityId id, string generationId, CancellationToken stopping) => database.ReadAsync(
        session => session.Find(
            FindForDevice,
            static row => DeviceTwin.Of(row.GetInt64(0), row.GetInt64(1), TwinRow.Json(row, 2), TwinRow.Json(row, 3)),
            ("@device", id.Device.Value), ("@module", IdentityStore.ModuleColumn(id)), ("@generation", generationId)),
        stopping);

    /// <summary>Reads and checks what a device sent.</summary>
    public Outcome<ReportedPatch> ReadPatch(string generationId, byte[] json, long? expectedVersion) =>
        writer.ReadPatch(generationId, json, expectedVersion);

    /// <summary>Merges a checked patch into the reported properties. Durable when completed.</summary>
    public ValueTask<ReportedOutcome> PatchReportedAsync(IdentityId id, ReportedPatch patch, ReportedVersion known) =>
        database.WriteAsync(new ReportedUnit(writer, id, patch, known));

    /// <summary>Applies what a back end asks. Durable when completed.</summary>
    public async ValueTask<Outcome<TwinChanged>> ChangeAsync(IdentityId id, TwinUpdate update, ETagCondition condition)
    {
        try
        {
            return await database.WriteAsync(
                session => writer.Change(session, id, update, condition).TryGet(out var changed, out var failure)
                    ? changed with { Document = reader.Find(session, id) }
                    : (Outcome<TwinChanged>)failure,
                CancellationToken.None);
        }
        catch (StorageUnavailableException)
        {
            return HubFailures.Unavailable;
        }
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
            await database.WriteAsync(session => writer.KeepModel(session, id, generationId, model), stopping);
        }
    }

    /// <summary>A reported patch on its way.</summary>
    private sealed class ReportedUnit(TwinWriter writer, IdentityId id, ReportedPatch patch, ReportedVersion known) : WriteUnit<ReportedOutcome>
    {
        private bool _tells;

        // Asked once, when it begins: the twin is the last that is written, unless somebody wants an event behind it. Who comes to
        // want one while it runs gets that of the next.
        protected override bool NeedsSavepoint => _tells = writer.TellsOfReported;

        protected override ReportedOutcome Run(SqlSession session) => writer.PatchReported(session, id, patch, known, _tells);

        protected override bool TryReplace(StorageUnavailableException failure, out ReportedOutcome result)
        {
            result = HubFailures.Unavailable;
            return true;
        }
    }
}
