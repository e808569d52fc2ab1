using System.Data.Common;
using Microsoft.Extensions.Logging;
using Nave.Hub.Devices;
using Nave.Storage;
using Nave.Storage.Schema;

namespace Nave.Hub.Events;

/// <summary>
/// Events born of a SQL change (design.md 2): rows of the same transaction, so that an event is as durable as its change
/// and there is none without it. <see cref="OutboxDrain"/> takes them to the log, in the order of their commits.
/// </summary>
internal sealed partial class EventOutbox(ChangeSources sources, ILogger<EventOutbox> logger)
{
    /// <summary>The longest body: what is left of a log record for it. A longer one is replaced by an empty object.</summary>
    public const int MaxBodyBytes = 1_000_000;

    /// <summary>The table and how it came to be. No reference to identities: the event of a deletion outlives its device.</summary>
    public static readonly SchemaPart Schema = new(
        "outbox",
        ["""
        -- AUTOINCREMENT: a number never comes back, so removing up to one can never take a row that came later.
        CREATE TABLE outbox (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            source {long} NOT NULL, device_id {text} NOT NULL, module_id {text} NOT NULL, op_type {text},
            at {long} NOT NULL, model_id {text}, body {blob} NOT NULL);
        """]);

    private const string Insert = """
        INSERT INTO outbox (source, device_id, module_id, op_type, at, model_id, body)
        VALUES (@source, @device, @module, @op, @at, @model, @body)
        """;

    private const string DeleteDone = "DELETE FROM outbox WHERE sequence <= @done";

    private const string SelectNext = """
        SELECT sequence, source, device_id, module_id, op_type, at, model_id, body FROM outbox
        WHERE sequence IN (
            SELECT sequence FROM (
                SELECT sequence, SUM(size) OVER (ORDER BY sequence) - size AS in_front
                FROM (SELECT sequence, length(body) AS size FROM outbox ORDER BY sequence LIMIT @rows) AS following) AS sized
            WHERE in_front < @bytes)
        ORDER BY sequence
        """;

    private static readonly ReadOnlyMemory<byte> EmptyBody = "{}"u8.ToArray();

    private readonly AsyncSignal _arrivals = new();

    /// <summary>Whether events of that source go anywhere; asked before a body is made.</summary>
    public bool IsWanted(ChangeSource source) => sources.IsWanted(source);

    /// <summary>
    /// Adds an event to the transaction of the change that it tells of: call it inside the unit of writes. Does nothing
    /// for a source that nobody wants.
    /// </summary>
    public void Add(SqlSession session, ChangeEvent change)
    {
        if (!IsWanted(change.Source))
        {
            return;
        }

        var body = change.Body;
        if (body.Length > MaxBodyBytes)
        {
            Log.BodyTooLong(logger, change.DeviceId ?? "the hub", change.Source, body.Length);
            body = EmptyBody;
        }

        session.Execute(
            Insert,
            ("@source", (long)change.Source), ("@device", change.DeviceId ?? ""), ("@module", IdentityStore.ModuleColumn(change.Id)),
            ("@op", change.OpType), ("@at", change.At.UtcTicks), ("@model", change.ModelId), ("@body", body.ToArray()));

        // Before the commit, which is early enough: the drain looks in a unit of its own, and that one comes later.
        _arrivals.Set();
    }

    /// <summary>Completes when something was added since the last call.</summary>
    public ValueTask WaitAsync(CancellationToken stopping) => _arrivals.WaitAsync(stopping);

    /// <summary>
    /// Removes the events up to one and reads what comes next, in one unit of writes: it sees only what is committed with
    /// it or before, and what it returns is committed when that unit has completed.
    /// </summary>
    /// <param name="session">The unit's session.</param>
    /// <param name="done">Everything up to this number is in the log; 0 for nothing.</param>
    /// <param name="maxRows">At most so many.</param>
    /// <param name="maxBytes">Bodies of so many bytes, and the one that goes over.</param>
    public static List<OutboxEvent> Take(SqlSession session, long done, int maxRows, int maxBytes)
    {
        if (done > 0)
        {
            session.Execute(DeleteDone, ("@done", done));
        }

        return session.List(SelectNext, Read, ("@rows", (long)maxRows), ("@bytes", (long)maxBytes));
    }

    private static OutboxEvent Read(DbDataReader row) => new(
        row.GetInt64(0),
        new ChangeEvent(
            (ChangeSource)row.GetInt32(1),
            row.GetString(2).Length == 0 ? default : IdentityStore.ReadId(row, 2, 3),
            row.IsDBNull(4) ? null : row.GetString(4),
            new DateTimeOffset(row.GetInt64(5), TimeSpan.Zero),
            (byte[])row[7],
            row.IsDBNull(6) ? null : row.GetString(6)));

    private static partial class Log
    {
        [LoggerMessage(5701, LogLevel.Debug, "{DeviceId}: an event of {Source} would have a body of {Bytes} bytes and goes out with an empty one")]
        public static partial void BodyTooLong(ILogger logger, string deviceId, ChangeSource source, int bytes);
    }
}

/// <summary>An event in the outbox.</summary>
/// <param name="Sequence">Its number: rises with the order of the commits.</param>
/// <param name="Change">The event.</param>
internal sealed record OutboxEvent(long Sequence, ChangeEvent Change);
