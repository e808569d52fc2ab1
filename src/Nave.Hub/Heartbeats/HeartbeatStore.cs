using System.Data.Common;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Nave.Hub.Events;
using Nave.Hub.Queries;
using Nave.Protocol.Identities;
using Nave.Storage;
using Nave.Storage.Schema;

namespace Nave.Hub.Heartbeats;

/// <summary>
/// What of heartbeats outlives a process: each device's last transition with its number, the last few before it, and the
/// rules. When a device was last heard follows with its transitions; in between the row of its presence knows better.
/// </summary>
internal sealed partial class HeartbeatStore(
    HubDatabase database, EventOutbox outbox, HeartbeatWebhooks webhooks, QueryRunner queries, ILogger<HeartbeatStore> logger)
{
    /// <summary>A unit of this many transitions holds the writer for some milliseconds; others come in between.</summary>
    public const int RowsPerUnit = 200;

    private long _units;

    /// <summary>Units of transitions written since the start.</summary>
    public long Units => Interlocked.Read(ref _units);

    /// <summary>Transitions kept of each device.</summary>
    public const int HistoryPerDevice = 50;

    /// <summary>The tables and how they came to be.</summary>
    public static readonly SchemaPart Schema = new(
        "heartbeats",
        ["""
        CREATE TABLE heartbeats (
            device_id {text} NOT NULL, module_id {text} NOT NULL,
            state {long} NOT NULL, since {long} NOT NULL, sequence {long} NOT NULL, seen {long}, beat {long}, sleep_until {long},
            PRIMARY KEY (device_id, module_id),
            FOREIGN KEY (device_id, module_id) REFERENCES identities (device_id, module_id) ON DELETE CASCADE) {keyed};

        CREATE TABLE heartbeat_history (
            device_id {text} NOT NULL, module_id {text} NOT NULL,
            sequence {long} NOT NULL, at {long} NOT NULL, body {text} NOT NULL,
            PRIMARY KEY (device_id, module_id, sequence),
            FOREIGN KEY (device_id, module_id) REFERENCES identities (device_id, module_id) ON DELETE CASCADE) {keyed};

        CREATE TABLE heartbeat_rules (name {text} NOT NULL PRIMARY KEY, body {text} NOT NULL) {keyed};
        """]);

    // Beside a living identity only.
    private const string Put = """
        INSERT INTO heartbeats (device_id, module_id, state, since, sequence, seen, beat, sleep_until)
        SELECT device_id, module_id, @state, @since, @sequence, @seen, @beat, @sleep FROM identities WHERE device_id = @device AND module_id = ''
        ON CONFLICT (device_id, module_id) DO UPDATE SET state = excluded.state, since = excluded.since,
            sequence = excluded.sequence, seen = excluded.seen, beat = excluded.beat, sleep_until = excluded.sleep_until
        """;

    private const string AddHistory = """
        INSERT INTO heartbeat_history (device_id, module_id, sequence, at, body) VALUES (@device, '', @sequence, @at, @body)
        ON CONFLICT (device_id, module_id, sequence) DO UPDATE SET at = excluded.at, body = excluded.body
        """;

    private const string CutHistory = "DELETE FROM heartbeat_history WHERE device_id = @device AND module_id = '' AND sequence <= @sequence";

    private const string SelectHistory = """
        SELECT body FROM heartbeat_history WHERE device_id = @device AND module_id = '' AND at >= @from AND at <= @to
        ORDER BY sequence DESC LIMIT @top
        """;

    private const string SelectPage = """
        SELECT i.device_id, i.is_enabled, h.state, h.since, h.sequence, h.seen, h.beat, h.sleep_until, p.last_activity, json(t.tags)
        FROM identities i
        LEFT JOIN heartbeats h ON h.device_id = i.device_id AND h.module_id = ''
        LEFT JOIN presence p ON p.device_id = i.device_id AND p.module_id = ''
        LEFT JOIN twins t ON t.device_id = i.device_id AND t.module_id = ''
        WHERE i.module_id = '' AND i.device_id > @after ORDER BY i.device_id LIMIT @top
        """;

    private const string SelectTags = "SELECT json(tags) FROM twins WHERE device_id = @device AND module_id = ''";

    /// <summary>The devices after that id, with what is known of them and the rule that each meets.</summary>
    public Task<List<StoredDevice>> ListAsync(string after, int top, HeartbeatRules rules, CancellationToken stopping) => database.ReadAsync(
        session =>
        {
            var page = session.List(SelectPage, StoredDevice.Read, ("@after", after), ("@top", top));
            var matching = Match(session, rules, [.. page.Select(device => device.DeviceId)]);
            return page.ConvertAll(device => device with { Rule = matching.GetValueOrDefault(device.DeviceId) });
        },
        stopping);

    /// <summary>
    /// The tags of devices, and the rules that they meet, as they are after every change that has been made until now: the
    /// read begins behind a unit of writes, which comes after those that are under way.
    /// </summary>
    public async Task<List<TaggedDevice>> ReadTagsAsync(IReadOnlyList<string> devices, HeartbeatRules rules, CancellationToken stopping)
    {
        await database.WriteAsync(_ => true, stopping);
        return await database.ReadAsync(
            session =>
            {
                var matching = Match(session, rules, devices);
                var found = new List<TaggedDevice>();
                foreach (var device in devices)
                {
                    if (session.Find(SelectTags, static row => StoredDevice.Json(row, 0), ("@device", device)) is { } json)
                    {
                        found.Add(new TaggedDevice(device, json, matching.GetValueOrDefault(device)));
                    }
                }

                return found;
            },
            stopping);
    }

    /// <summary>What devices are since a restart, without a transition: so that SQL says what memory does.</summary>
    public Task PutStatesAsync(IReadOnlyList<(string DeviceId, HeartbeatState State)> states, CancellationToken stopping) => database.WriteAsync(
        session =>
        {
            foreach (var (device, state) in states)
            {
                session.Execute("UPDATE heartbeats SET state = @state WHERE device_id = @device AND module_id = ''", ("@state", (long)state), ("@device", device));
            }
        },
        stopping);

    /// <summary>
    /// Keeps transitions with their events, in order, and with the last of them the alerts that they give rise to. A unit
    /// that is written again after an unknown outcome is the same.
    /// </summary>
    public async Task PutAsync(
        IReadOnlyList<(HeartbeatTransition Transition, byte[] Body)> transitions, IReadOnlyList<HeartbeatNotice> alerts, CancellationToken stopping)
    {
        var units = transitions.Chunk(RowsPerUnit).ToList();
        if (units.Count == 0 && alerts.Count > 0)
        {
            units.Add([]);
        }

        for (var i = 0; i < units.Count; i++)
        {
            var (unit, isLast) = (units[i], i == units.Count - 1);
            await database.WriteAsync(
                session =>
                {
                    Array.ForEach(unit, item => Put1(session, item.Transition, item.Body));
                    foreach (var alert in isLast ? alerts : [])
                    {
                        webhooks.Add(session, alert);
                    }
                },
                stopping);
            Interlocked.Increment(ref _units);
        }
    }

    /// <summary>Leaves an event of the hub itself for the events endpoint.</summary>
    public Task PutHubEventAsync(string what, DateTimeOffset at, byte[] body, CancellationToken stopping) =>
        database.WriteAsync(session => outbox.Add(session, ChangeEvent.HeartbeatsOfHub(what, at, body)), stopping);

    /// <summary>The last transitions of a device, the newest first, as they were told.</summary>
    public Task<List<string>> ListHistoryAsync(string device, DateTimeOffset from, DateTimeOffset to, int top, CancellationToken stopping) =>
        database.ReadAsync(
            session => session.List(
                SelectHistory, row => row.GetString(0), ("@device", device), ("@from", from.UtcTicks), ("@to", to.UtcTicks), ("@top", top)),
            stopping);

    /// <summary>The rules that operators have set.</summary>
    public async Task<List<HeartbeatRule>> ListRulesAsync(CancellationToken stopping)
    {
        var rows = await database.ReadAsync(
            session => session.List("SELECT name, body FROM heartbeat_rules", row => (row.GetString(0), row.GetString(1))), stopping);
        var rules = new List<HeartbeatRule>();
        foreach (var (name, body) in rows)
        {
            using var json = JsonDocument.Parse(body);
            if (HeartbeatRule.TryRead(name, json.RootElement, out var rule, out var problem))
            {
                rules.Add(rule);
            }
            else
            {
                Log.NotRead(logger, name, problem);
            }
        }

        return rules;
    }

    /// <summary>Keeps a rule.</summary>
    public Task PutRuleAsync(HeartbeatRule rule, CancellationToken stopping) => database.WriteAsync(
        session => session.Execute(
            "INSERT INTO heartbeat_rules (name, body) VALUES (@name, @body) ON CONFLICT (name) DO UPDATE SET body = excluded.body",
            ("@name", rule.Name), ("@body", rule.ToJson().ToJsonString())),
        stopping);

    /// <summary>Forgets a rule.</summary>
    /// <returns>False when there was none.</returns>
    public async Task<bool> DeleteRuleAsync(string name, CancellationToken stopping) =>
        await database.WriteAsync(session => session.Execute("DELETE FROM heartbeat_rules WHERE name = @name", ("@name", name)), stopping) > 0;

    // One statement for each rule, whatever the number of devices; who has a rule is asked for no further one.
    private Dictionary<string, HeartbeatRule> Match(SqlSession session, HeartbeatRules rules, IReadOnlyCollection<string> devices)
    {
        var matching = new Dictionary<string, HeartbeatRule>(StringComparer.Ordinal);
        var open = devices.ToHashSet(StringComparer.Ordinal);
        foreach (var rule in rules.Groups)
        {
            if (open.Count == 0)
            {
                break;
            }

            foreach (var device in queries.ListAmong(session, rule.Condition!.Query, open)) // Rules of groups have one.
            {
                matching[device] = rule;
            }

            open.ExceptWith(matching.Keys);
        }

        return matching;
    }

    private void Put1(SqlSession session, HeartbeatTransition transition, byte[] body)
    {
        var rows = session.Execute(
            Put,
            ("@state", (long)transition.State), ("@since", transition.Since.UtcTicks), ("@sequence", transition.Sequence),
            ("@seen", transition.LastSeen?.UtcTicks), ("@beat", transition.LastHeartbeat?.UtcTicks), ("@sleep", transition.SleepUntil?.UtcTicks),
            ("@device", transition.DeviceId));
        if (rows == 0 || !DeviceId.TryParse(transition.DeviceId, out var device))
        {
            return; // Deleted meanwhile.
        }

        session.Execute(
            AddHistory,
            ("@device", transition.DeviceId), ("@sequence", transition.Sequence), ("@at", transition.Since.UtcTicks),
            ("@body", System.Text.Encoding.UTF8.GetString(body)));
        if (transition.Sequence > HistoryPerDevice)
        {
            session.Execute(CutHistory, ("@device", transition.DeviceId), ("@sequence", transition.Sequence - HistoryPerDevice));
        }

        outbox.Add(session, ChangeEvent.HeartbeatChanged(new IdentityId(device), HeartbeatWords.Of(transition.State), transition.Since, body));
    }

    private static partial class Log
    {
        [LoggerMessage(8106, LogLevel.Warning, "The heartbeat rule {Name} cannot be read and is not in force: {Problem}")]
        public static partial void NotRead(ILogger logger, string name, string problem);
    }
}

/// <summary>What decides about a device's terms: its tags, and the first rule whose condition it meets.</summary>
internal sealed record TaggedDevice(string DeviceId, byte[] Tags, HeartbeatRule? Rule);

/// <summary>A device as SQL has it.</summary>
internal sealed record StoredDevice(string DeviceId, bool IsEnabled, StoredHeartbeat? Heartbeat, byte[] Tags)
{
    /// <summary>The first rule whose condition it meets; null for none.</summary>
    public HeartbeatRule? Rule { get; init; }

    public static StoredDevice Read(DbDataReader row)
    {
        StoredHeartbeat? heartbeat = null;
        if (!row.IsDBNull(2))
        {
            var seen = row.IsDBNull(5) ? (long?)null : row.GetInt64(5);
            var heard = row.IsDBNull(8) ? (long?)null : row.GetInt64(8);
            heartbeat = new StoredHeartbeat(
                (HeartbeatState)row.GetInt32(2), Time(row.GetInt64(3)), seen is null ? null : Time(Math.Max(seen.Value, heard ?? 0)),
                row.IsDBNull(6) ? null : Time(row.GetInt64(6)), row.GetInt64(4), row.IsDBNull(7) ? null : Time(row.GetInt64(7)));
        }

        return new StoredDevice(row.GetString(0), row.GetInt64(1) != 0, heartbeat, row.IsDBNull(9) ? [] : Json(row, 9));
    }

    public static byte[] Json(DbDataReader row, int column) => System.Text.Encoding.UTF8.GetBytes(row.GetString(column));

    private static DateTimeOffset Time(long ticks) => new(ticks, TimeSpan.Zero);
}
