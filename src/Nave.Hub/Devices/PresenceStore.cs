using System.Data.Common;
using Nave.Protocol.Identities;
using Nave.Storage;

namespace Nave.Hub.Devices;

/// <summary>The rows of presence, and the count of node starts that epochs are built on.</summary>
internal sealed class PresenceStore(HubDatabase database)
{
    private const string CountStart = "UPDATE node_starts SET starts = starts + 1 WHERE id = 1 RETURNING starts";

    private const string Columns = """
        SELECT device_id, module_id, node, session, epoch, protocol, is_connected, since, reason, last_activity FROM presence
        """;

    private const string FindOne = Columns + " WHERE device_id = @device AND module_id = @module";
    private const string ListRange = Columns + " WHERE device_id BETWEEN @first AND @last";

    // Beside a living identity only, and never over the row of a later takeover.
    private const string Put = """
        INSERT INTO presence (device_id, module_id, node, session, epoch, protocol, is_connected, since, reason, last_activity)
        SELECT device_id, module_id, @node, @session, @epoch, @protocol, @connected, @since, @reason, @activity FROM identities
        WHERE device_id = @device AND module_id = @module
        ON CONFLICT (device_id, module_id) DO UPDATE SET node = excluded.node, session = excluded.session, epoch = excluded.epoch,
            protocol = excluded.protocol, is_connected = excluded.is_connected, since = excluded.since, reason = excluded.reason,
            last_activity = excluded.last_activity
        WHERE presence.epoch <= excluded.epoch
        """;

    /// <summary>The number of this start among all starts of all nodes.</summary>
    public Task<long> CountStartAsync(CancellationToken stopping) =>
        database.WriteAsync(session => session.Number(CountStart) ?? throw new InvalidOperationException("node_starts has no row."), stopping);

    public Task<PresenceRow?> FindAsync(IdentityId id, CancellationToken stopping) => database.ReadAsync(
        session => session.Find(FindOne, Read, ("@device", id.Device.Value), ("@module", IdentityStore.ModuleColumn(id))), stopping);

    public Task<List<PresenceRow>> ListAsync(DeviceId first, DeviceId last, CancellationToken stopping) =>
        database.ReadAsync(session => session.List(ListRange, Read, ("@first", first.Value), ("@last", last.Value)), stopping);

    public Task PutAsync(IReadOnlyList<PresenceRow> rows, CancellationToken stopping) => database.WriteAsync(
        session =>
        {
            foreach (var row in rows)
            {
                session.Execute(
                    Put,
                    ("@device", row.Id.Device.Value),
                    ("@module", IdentityStore.ModuleColumn(row.Id)),
                    ("@node", row.Node.ToString("N")),
                    ("@session", row.Session.Session),
                    ("@epoch", row.Session.Epoch),
                    ("@protocol", row.Protocol.ToString()),
                    ("@connected", row.IsConnected ? 1 : 0),
                    ("@since", row.Since.UtcTicks),
                    ("@reason", row.Reason?.ToString()),
                    ("@activity", row.LastActivity.UtcTicks));
            }
        },
        stopping);

    private static PresenceRow Read(DbDataReader row) => new(
        IdentityStore.ReadId(row, 0, 1),
        new SessionName(Guid.ParseExact(row.GetString(2), "N"), row.GetInt64(3), row.GetInt64(4)),
        Enum.Parse<DeviceProtocol>(row.GetString(5)),
        row.GetInt64(6) != 0,
        new DateTimeOffset(row.GetInt64(7), TimeSpan.Zero),
        row.IsDBNull(8) ? null : Enum.Parse<CloseReason>(row.GetString(8)),
        new DateTimeOffset(row.GetInt64(9), TimeSpan.Zero));
}

/// <summary>One row of presence.</summary>
internal sealed record PresenceRow(
    IdentityId Id,
    SessionName Session,
    DeviceProtocol Protocol,
    bool IsConnected,
    DateTimeOffset Since,
    CloseReason? Reason,
    DateTimeOffset LastActivity)
{
    /// <summary>The node's life that wrote it.</summary>
    public Guid Node => Session.Node;

    /// <summary>What the registry shows of it.</summary>
    public StoredPresence Stored => new(Node, IsConnected, Since, LastActivity) { Protocol = Protocol, Reason = Reason };

    /// <summary>Whether the identity has sent telemetry or asked for commands in this session. Not stored.</summary>
    public bool HasSpoken { get; init; }

    /// <summary>Whether the state is another than that of the last row taken, or has spoken only since. Not stored.</summary>
    public bool IsNews { get; init; }
}
