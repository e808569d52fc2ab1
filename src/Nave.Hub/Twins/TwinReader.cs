using System.Data.Common;
using Nave.Hub.Devices;
using Nave.Protocol.Identities;
using Nave.Storage;

namespace Nave.Hub.Twins;

/// <summary>
/// Reads whole twins from SQL: the one place that knows which columns a twin document is made of. REST reads one by its
/// key; queries put <see cref="Columns"/> and <see cref="From"/> before a condition of their own.
/// </summary>
internal sealed class TwinReader(Presence presence)
{
    /// <summary>
    /// What to select. Aliases for conditions: <c>t</c> the twin, <c>i</c> its identity, <c>d</c> its device's identity,
    /// <c>p</c> the presence row or nulls.
    /// </summary>
    public const string Columns = """
        t.device_id, t.module_id, t.generation_id, t.version, t.etag_counter, t.desired_version, t.reported_version, t.model_id,
        json(t.tags), json(t.desired), json(t.reported), json(t.configurations), t.desired_metadata, t.reported_metadata,
        i.etag, d.is_enabled, d.status_reason, d.status_updated, i.auth_type, i.primary_thumbprint, i.secondary_thumbprint,
        i.is_edge, i.device_scope, i.parent_scope, p.node, p.is_connected, p.since, p.last_activity,
        (SELECT count(*) FROM commands c
         WHERE c.device_id = t.device_id AND c.module_id = t.module_id AND c.generation_id = t.generation_id)
        """;

    /// <summary>Where from.</summary>
    public const string From = """
        twins t
        JOIN identities i ON i.device_id = t.device_id AND i.module_id = t.module_id
        JOIN identities d ON d.device_id = t.device_id AND d.module_id = ''
        LEFT JOIN presence p ON p.device_id = t.device_id AND p.module_id = t.module_id
        """;

    private const string FindOne = "SELECT " + Columns + " FROM " + From + " WHERE t.device_id = @device AND t.module_id = @module";

    /// <summary>The twin of an identity, or null.</summary>
    public TwinDocument? Find(SqlSession session, IdentityId id) =>
        session.Find(FindOne, Read, ("@device", id.Device.Value), ("@module", IdentityStore.ModuleColumn(id)));

    /// <summary>Reads a row that was selected with <see cref="Columns"/>, these first.</summary>
    public TwinDocument Read(DbDataReader row)
    {
        var id = IdentityStore.ReadId(row, 0, 1);
        return new TwinDocument
        {
            Id = id,
            Twin = new TwinRow
            {
                GenerationId = row.GetString(2),
                Version = row.GetInt64(3),
                ETagCounter = row.GetInt64(4),
                DesiredVersion = row.GetInt64(5),
                ReportedVersion = row.GetInt64(6),
                ModelId = Text(row, 7),
                Tags = Json(row, 8),
                Desired = Json(row, 9),
                Reported = Json(row, 10),
                Configurations = row.IsDBNull(11) ? null : Json(row, 11),
                DesiredMetadata = Json(row, 12),
                ReportedMetadata = Json(row, 13),
            },
            DeviceETag = row.GetString(14),
            IsEnabled = row.GetInt64(15) != 0,
            StatusReason = Text(row, 16),
            StatusUpdatedTime = row.IsDBNull(17) ? null : Time(row, 17),
            AuthenticationType = IdentityWords.ParseType(row.GetString(18)) ?? AuthenticationType.None,
            PrimaryThumbprint = Text(row, 19),
            SecondaryThumbprint = Text(row, 20),
            IsEdge = row.GetInt64(21) != 0,
            DeviceScope = Text(row, 22),
            ParentScope = Text(row, 23),
            Presence = presence.StateOf(id, row.IsDBNull(24) ? null : new StoredPresence(
                Guid.ParseExact(row.GetString(24), "N"), row.GetInt64(25) != 0, Time(row, 26), Time(row, 27))),
            CloudToDeviceMessageCount = row.GetInt64(28),
        };
    }

    /// <summary>JSON text as UTF-8.</summary>
    internal static byte[] Json(DbDataReader row, int column) => row.GetFieldValue<byte[]>(column);

    private static string? Text(DbDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    private static DateTimeOffset Time(DbDataReader row, int column) => new(row.GetInt64(column), TimeSpan.Zero);
}
