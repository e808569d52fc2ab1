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
    public const string Columns = "t.device_id, t.module_id, " + TwinRow.Columns + """
        , i.etag, d.is_enabled, d.status_reason, d.status_updated, i.auth_type, i.primary_thumbprint, i.secondary_thumbprint,
        i.is_edge, i.device_scope, i.parent_scope, p.node, p.is_connected, p.since, p.last_activity,
        (SELECT count(*) FROM commands c
         WHERE c.device_id = t.device_id AND c.module_id = t.module_id AND c.generation_id = t.generation_id)
        """;

    // Where those of the row end.
    private const int Rest = 2 + TwinRow.ColumnCount;

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
    public TwinDocument Read(DbDataReader reader)
    {
        var row = new SqlRow(reader);
        var module = row.Text(1);
        var id = new IdentityId(DeviceId.Parse(row.Text(0)), module.Length == 0 ? null : ModuleId.Parse(module));
        return new TwinDocument
        {
            Id = id,
            Twin = TwinRow.Read(row, 2),
            DeviceETag = row.Text(Rest),
            IsEnabled = row.Number(Rest + 1) != 0,
            StatusReason = row.OptionalText(Rest + 2),
            StatusUpdatedTime = row.IsNull(Rest + 3) ? null : Time(row, Rest + 3),
            AuthenticationType = IdentityWords.ParseType(row.Text(Rest + 4)) ?? AuthenticationType.None,
            PrimaryThumbprint = row.OptionalText(Rest + 5),
            SecondaryThumbprint = row.OptionalText(Rest + 6),
            IsEdge = row.Number(Rest + 7) != 0,
            DeviceScope = row.OptionalText(Rest + 8),
            ParentScope = row.OptionalText(Rest + 9),
            Presence = presence.StateOf(id, row.IsNull(Rest + 10) ? null : new StoredPresence(
                Guid.ParseExact(row.Text(Rest + 10), "N"), row.Number(Rest + 11) != 0, Time(row, Rest + 12), Time(row, Rest + 13))),
            CloudToDeviceMessageCount = row.Number(Rest + 14),
        };
    }

    private static DateTimeOffset Time(in SqlRow row, int column) => new(row.Number(column), TimeSpan.Zero);
}
