using System.Text;
using Microsoft.Extensions.Logging;
using Nave.Hub.Devices;
using Nave.Protocol.Identities;
using Nave.Storage;
using Nave.Storage.Schema;

namespace Nave.Hub.Events;

/// <summary>
/// The events of connections (spec/messaging-semantics.md 5): only of who has sent telemetry or asked for commands, at
/// most one an interval for each identity, so that what flaps in between is told as the state it ended in. Fed by
/// <see cref="Presence"/> as it writes its rows; not thread-safe, its one caller holds the flush.
/// </summary>
internal sealed partial class ConnectionEvents(
    HubDatabase database, EventOutbox outbox, NodeIncarnation node, ConnectionEventOptions options, TimeProvider time, ILogger<ConnectionEvents> logger)
{
    /// <summary>What was last told of each identity, and in which life of a node.</summary>
    public static readonly SchemaPart Schema = new(
        "connection_events",
        ["""
        CREATE TABLE connection_events (
            device_id {text} NOT NULL, module_id {text} NOT NULL,
            is_connected {long} NOT NULL, epoch {long} NOT NULL, node {text} NOT NULL,
            PRIMARY KEY (device_id, module_id),
            FOREIGN KEY (device_id, module_id) REFERENCES identities (device_id, module_id) ON DELETE CASCADE) {keyed};
        """]);

    // A unit of this many identities holds the writer for some milliseconds.
    private const int IdentitiesPerUnit = 200;

    private const string SelectTold =
        "SELECT is_connected, epoch FROM connection_events WHERE device_id = @device AND module_id = @module";

    // Beside a living identity only.
    private const string Put = """
        INSERT INTO connection_events (device_id, module_id, is_connected, epoch, node)
        SELECT device_id, module_id, @connected, @epoch, @node FROM identities WHERE device_id = @device AND module_id = @module
        ON CONFLICT (device_id, module_id) DO UPDATE SET is_connected = excluded.is_connected, epoch = excluded.epoch, node = excluded.node
        """;

    private const string SelectOrphans = """
        SELECT device_id, module_id, epoch FROM connection_events
        WHERE is_connected = 1 AND node <> @node AND (device_id, module_id) > (@device, @module)
        ORDER BY device_id, module_id LIMIT @limit
        """;

    private readonly Dictionary<IdentityId, Seen> _pending = [];
    private readonly HashSet<IdentityId> _recent = [];
    private readonly Queue<(IdentityId Id, long At)> _toldInOrder = new();
    private readonly long _start = time.GetTimestamp();
    private readonly DateTimeOffset _startTime = time.GetUtcNow();
    private (string Device, string Module)? _orphansAfter = ("", "");

    private bool IsWanted => outbox.IsWanted(ChangeSource.DeviceConnectionStateEvents);

    /// <summary>A state that presence has written.</summary>
    public void Observe(PresenceRow row)
    {
        // Who is connected and silent is not told yet; nor does it take back what is still to be told of the last session.
        if (row.IsNews && (row.HasSpoken || !row.IsConnected) && IsWanted)
        {
            _pending[row.Id] = new Seen(row.IsConnected, row.Session.Epoch, row.Since, row.HasSpoken);
        }
    }

    /// <summary>Tells what is due.</summary>
    /// <param name="isConnected">Whether an identity has a connection now.</param>
    /// <param name="stopping">Ends it early; nothing is lost.</param>
    public async Task TellAsync(Func<IdentityId, bool> isConnected, CancellationToken stopping)
    {
        if (!IsWanted)
        {
            return;
        }

        try
        {
            Forget();
            await FindOrphansAsync(isConnected, stopping);
            foreach (var unit in _pending.Where(pending => !_recent.Contains(pending.Key)).Chunk(IdentitiesPerUnit))
            {
                var told = await database.WriteAsync(
                    session => unit.Where(seen => Tell(session, seen.Key, seen.Value)).Select(seen => seen.Key).ToList(), stopping);
                Array.ForEach(unit, seen => _pending.Remove(seen.Key));
                foreach (var id in told)
                {
                    _recent.Add(id);
                    _toldInOrder.Enqueue((id, time.GetTimestamp()));
                }
            }
        }
        catch (StorageUnavailableException e)
        {
            Log.NotTold(logger, _pending.Count, e.Message); // They stay pending.
        }
    }

    /// <summary>64 hex digits that rise with each state of an identity: by text order, too.</summary>
    public static string SequenceNumber(long epoch, bool isConnected) =>
        (((UInt128)(ulong)epoch << 1) | (isConnected ? 0u : 1u)).ToString("X64");

    private bool Tell(SqlSession session, IdentityId id, Seen seen)
    {
        var key = (id.Device.Value, Module: IdentityStore.ModuleColumn(id));
        var told = session.Find(
            SelectTold, row => new Told(row.GetInt64(0) != 0, row.GetInt64(1)), ("@device", key.Value), ("@module", key.Module));
        var isNews = told is null ? seen.HasSpoken
            : (seen.Epoch > told.Epoch && seen.HasSpoken) || (told.IsConnected && !seen.IsConnected && seen.Epoch >= told.Epoch);
        if (!isNews
            || session.Execute(
                Put,
                ("@connected", seen.IsConnected ? 1 : 0), ("@epoch", seen.Epoch), ("@node", node.Id.ToString("N")),
                ("@device", key.Value), ("@module", key.Module)) == 0)
        {
            return false;
        }

        var body = Encoding.ASCII.GetBytes($"{{\"sequenceNumber\":\"{SequenceNumber(seen.Epoch, seen.IsConnected)}\"}}");
        outbox.Add(session, ChangeEvent.ConnectionChanged(id, seen.IsConnected, seen.Since, body));
        return true;
    }

    private void Forget()
    {
        while (_toldInOrder.TryPeek(out var oldest) && time.GetElapsedTime(oldest.At) >= options.Interval)
        {
            _toldInOrder.Dequeue();
            _recent.Remove(oldest.Id);
        }
    }

    // Told as connected in a former life, and not back after an interval of this one: a page a call.
    private async Task FindOrphansAsync(Func<IdentityId, bool> isConnected, CancellationToken stopping)
    {
        if (_orphansAfter is not { } after || time.GetElapsedTime(_start) < options.Interval)
        {
            return;
        }

        var page = await database.ReadAsync(
            session => session.List(
                SelectOrphans,
                row => (Id: IdentityStore.ReadId(row, 0, 1), Epoch: row.GetInt64(2)),
                ("@node", node.Id.ToString("N")), ("@device", after.Device), ("@module", after.Module), ("@limit", (long)IdentitiesPerUnit)),
            stopping);
        foreach (var (id, epoch) in page.Where(orphan => !isConnected(orphan.Id)))
        {
            _pending.TryAdd(id, new Seen(false, epoch, _startTime, HasSpoken: false));
        }

        _orphansAfter = page.Count < IdentitiesPerUnit ? null : (page[^1].Id.Device.Value, IdentityStore.ModuleColumn(page[^1].Id));
    }

    /// <summary>A state that is to be told.</summary>
    private readonly record struct Seen(bool IsConnected, long Epoch, DateTimeOffset Since, bool HasSpoken);

    private sealed record Told(bool IsConnected, long Epoch);

    private static partial class Log
    {
        [LoggerMessage(5705, LogLevel.Warning, "The events of {Count} connection states could not be stored and will be tried again: {Reason}")]
        public static partial void NotTold(ILogger logger, int count, string reason);
    }
}

/// <summary>Settings of connection events.</summary>
/// <param name="Interval">The least time between two events of one identity.</param>
internal sealed record ConnectionEventOptions(TimeSpan Interval)
{
    /// <summary>spec/messaging-semantics.md 5: one a minute.</summary>
    public static ConnectionEventOptions Default { get; } = new(TimeSpan.FromSeconds(60));
}
