using System.Data.Common;
using Nave.Protocol.Identities;
using Nave.Storage;
using Nave.Storage.Schema;

namespace Nave.Hub.Commands;

/// <summary>
/// Commands in SQL, one row each, keyed by identity, generation and sequence number. Every write is conditional on what
/// the actor knew: zero rows mean that it was behind. An end and its feedback are one unit.
/// All of it goes with its identity.
/// </summary>
internal sealed class CommandStore(HubDatabase database)
{
    /// <summary>Raised when a command's end is durable, not of one that was purged. Handlers return at once and do not throw.</summary>
    public event Action<CommandEnded>? Ended;

    /// <summary>The tables and how they came to be.</summary>
    public static readonly SchemaPart Schema = new(
        "commands",
        ["""
        CREATE TABLE command_queues (
            device_id {text} NOT NULL, module_id {text} NOT NULL, generation_id {text} NOT NULL,
            next_sequence {long} NOT NULL,
            PRIMARY KEY (device_id, module_id, generation_id),
            FOREIGN KEY (device_id, module_id) REFERENCES identities (device_id, module_id) ON DELETE CASCADE) {keyed};
        CREATE TABLE commands (
            device_id {text} NOT NULL, module_id {text} NOT NULL, generation_id {text} NOT NULL, sequence {long} NOT NULL,
            enqueued_at {long} NOT NULL, expires_at {long} NOT NULL, delivery_count {long} NOT NULL, ack {long} NOT NULL,
            message_id {text} NOT NULL, properties {text} NOT NULL, body {blob} NOT NULL,
            PRIMARY KEY (device_id, module_id, generation_id, sequence),
            FOREIGN KEY (device_id, module_id) REFERENCES identities (device_id, module_id) ON DELETE CASCADE) {keyed};
        CREATE INDEX commands_by_expiry ON commands (expires_at);
        CREATE TABLE feedback (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT,
            device_id {text} NOT NULL, module_id {text} NOT NULL, generation_id {text} NOT NULL, message_id {text} NOT NULL,
            outcome {long} NOT NULL, at {long} NOT NULL, expires_at {long} NOT NULL,
            FOREIGN KEY (device_id, module_id) REFERENCES identities (device_id, module_id) ON DELETE CASCADE);
        CREATE INDEX feedback_by_device ON feedback (device_id, module_id);
        CREATE INDEX feedback_by_expiry ON feedback (expires_at);
        """]);

    private const string SelectGeneration =
        "SELECT generation_id FROM identities WHERE device_id = @device AND module_id = @module";

    private const string SelectNext =
        "SELECT next_sequence FROM command_queues WHERE device_id = @device AND module_id = @module AND generation_id = @generation";

    private const string SelectHeads = """
        SELECT sequence, enqueued_at, expires_at, delivery_count FROM commands
        WHERE device_id = @device AND module_id = @module AND generation_id = @generation ORDER BY sequence
        """;

    // The generation must still be the identity's, and the queue below its limit, when the row goes in.
    private const string InsertCommand = """
        INSERT INTO commands (device_id, module_id, generation_id, sequence, enqueued_at, expires_at, delivery_count, ack, message_id, properties, body)
        SELECT @device, @module, @generation, @sequence, @enqueued, @expires, 0, @ack, @messageId, @properties, @body
        WHERE EXISTS (SELECT 1 FROM identities WHERE device_id = @device AND module_id = @module AND generation_id = @generation)
          AND (SELECT COUNT(*) FROM commands WHERE device_id = @device AND module_id = @module AND generation_id = @generation) < @limit
        ON CONFLICT DO NOTHING
        """;

    private const string UpsertNext = """
        INSERT INTO command_queues (device_id, module_id, generation_id, next_sequence) VALUES (@device, @module, @generation, @next)
        ON CONFLICT (device_id, module_id, generation_id) DO UPDATE SET next_sequence = excluded.next_sequence
        """;

    private const string SelectMessage = """
        SELECT properties, body, ack, expires_at FROM commands
        WHERE device_id = @device AND module_id = @module AND generation_id = @generation AND sequence = @sequence
        """;

    private const string InsertFeedback = """
        INSERT INTO feedback (device_id, module_id, generation_id, message_id, outcome, at, expires_at)
        SELECT device_id, module_id, generation_id, message_id, @outcome, @at, @feedbackExpires FROM commands
        WHERE device_id = @device AND module_id = @module AND generation_id = @generation AND sequence = @sequence AND (ack & @wanted) <> 0
        """;

    private const string DeleteCommand =
        "DELETE FROM commands WHERE device_id = @device AND module_id = @module AND generation_id = @generation AND sequence = @sequence";

    private const string SelectEnd = """
        SELECT message_id, ack, length(body) FROM commands
        WHERE device_id = @device AND module_id = @module AND generation_id = @generation AND sequence = @sequence
        """;

    private const string UpdateDeliveryCount = """
        UPDATE commands SET delivery_count = @count
        WHERE device_id = @device AND module_id = @module AND generation_id = @generation AND sequence = @sequence
        """;

    private const string InsertPurgeFeedback = """
        INSERT INTO feedback (device_id, module_id, generation_id, message_id, outcome, at, expires_at)
        SELECT device_id, module_id, generation_id, message_id, @outcome, @at, @feedbackExpires FROM commands
        WHERE device_id = @device AND module_id = @module AND generation_id = @generation AND (ack & @wanted) <> 0 ORDER BY sequence
        """;

    private const string DeleteAll =
        "DELETE FROM commands WHERE device_id = @device AND module_id = @module AND generation_id = @generation";

    private const string SelectExpired =
        "SELECT DISTINCT device_id, module_id FROM commands WHERE expires_at <= @now LIMIT @limit";

    private const string CountCommands =
        "SELECT COUNT(*) FROM commands WHERE device_id = @device AND module_id = @module AND generation_id = @generation";

    private const string CountInRange = """
        SELECT device_id, module_id, COUNT(*) FROM commands
        WHERE device_id >= @first AND device_id <= @last GROUP BY device_id, module_id
        """;

    /// <summary>The identity's queue without bodies, or null when there is no such identity.</summary>
    public async ValueTask<StoredQueue?> LoadAsync(IdentityId id) => await database.ReadAsync(
        session =>
        {
            var (device, module) = Key(id);
            if (session.Find(SelectGeneration, row => row.GetString(0), ("@device", device), ("@module", module)) is not { } generation)
            {
                return null;
            }

            var next = session.Number(SelectNext, ("@device", device), ("@module", module), ("@generation", generation));
            var heads = session.List(SelectHeads, ReadHead, ("@device", device), ("@module", module), ("@generation", generation));
            return new StoredQueue(generation, next ?? 1, heads);
        },
        CancellationToken.None);

    /// <summary>Stores a command.</summary>
    /// <returns>False when the identity, its generation or its queue is not as the actor believed.</returns>
    public async ValueTask<bool> TryAddAsync(
        IdentityId id, string generationId, QueuedCommand command, CloudToDeviceMessage message, int limit)
    {
        var (device, module) = Key(id);
        var properties = MessageJson.Write(message.Properties);
        var body = message.Body.ToArray();
        return await database.WriteAsync(
            session =>
            {
                var added = session.Execute(
                    InsertCommand,
                    ("@device", device), ("@module", module), ("@generation", generationId), ("@sequence", command.SequenceNumber),
                    ("@enqueued", command.EnqueuedTime.ToUnixTimeMilliseconds()), ("@expires", command.ExpiresAt.ToUnixTimeMilliseconds()),
                    ("@ack", (long)message.Acknowledgement), ("@messageId", message.Properties.MessageId ?? ""),
                    ("@properties", properties), ("@body", body), ("@limit", (long)limit));
                if (added == 1)
                {
                    session.Execute(
                        UpsertNext,
                        ("@device", device), ("@module", module), ("@generation", generationId), ("@next", command.SequenceNumber + 1));
                }

                return added == 1;
            },
            CancellationToken.None);
    }

    /// <summary>The whole message, or null when it is gone.</summary>
    public async ValueTask<CloudToDeviceMessage?> ReadAsync(IdentityId id, string generationId, long sequence)
    {
        var (device, module) = Key(id);
        return await database.ReadAsync(
            session => session.Find(
                SelectMessage, ReadMessage, ("@device", device), ("@module", module), ("@generation", generationId), ("@sequence", sequence)),
            CancellationToken.None);
    }

    /// <summary>Takes a command out and, where its sender asked for this outcome, leaves a feedback record.</summary>
    public async Task EndAsync(
        IdentityId id, string generationId, long sequence, CommandOutcome outcome, DateTimeOffset at, TimeSpan feedbackLife)
    {
        var (device, module) = Key(id);
        var ended = await database.WriteAsync(
            session =>
            {
                var end = session.Find(
                    SelectEnd, row => new CommandEnded(id, outcome, row.GetString(0), (AcknowledgementRequest)row.GetInt32(1), row.GetInt64(2)),
                    ("@device", device), ("@module", module), ("@generation", generationId), ("@sequence", sequence));
                session.Execute(
                    InsertFeedback,
                    ("@outcome", (long)outcome), ("@at", at.ToUnixTimeMilliseconds()),
                    ("@feedbackExpires", (at + feedbackLife).ToUnixTimeMilliseconds()),
                    ("@device", device), ("@module", module), ("@generation", generationId), ("@sequence", sequence), ("@wanted", Wanted(outcome)));
                session.Execute(
                    DeleteCommand, ("@device", device), ("@module", module), ("@generation", generationId), ("@sequence", sequence));
                return end;
            },
            CancellationToken.None);
        if (ended is not null)
        {
            Ended?.Invoke(ended);
        }
    }

    /// <summary>Stores how often a command has come back.</summary>
    public Task CountDeliveryAsync(IdentityId id, string generationId, long sequence, int count)
    {
        var (device, module) = Key(id);
        return database.WriteAsync(
            session => session.Execute(
                UpdateDeliveryCount,
                ("@count", (long)count), ("@device", device), ("@module", module), ("@generation", generationId), ("@sequence", sequence)),
            CancellationToken.None);
    }

    /// <summary>Empties a queue.</summary>
    /// <returns>How many commands went.</returns>
    public Task<int> PurgeAsync(IdentityId id, string generationId, DateTimeOffset at, TimeSpan feedbackLife)
    {
        var (device, module) = Key(id);
        return database.WriteAsync(
            session =>
            {
                session.Execute(
                    InsertPurgeFeedback,
                    ("@outcome", (long)CommandOutcome.Purged), ("@at", at.ToUnixTimeMilliseconds()),
                    ("@feedbackExpires", (at + feedbackLife).ToUnixTimeMilliseconds()),
                    ("@device", device), ("@module", module), ("@generation", generationId), ("@wanted", Wanted(CommandOutcome.Purged)));
                return session.Execute(DeleteAll, ("@device", device), ("@module", module), ("@generation", generationId));
            },
            CancellationToken.None);
    }

    /// <summary>Identities that have commands past their expiry.</summary>
    public Task<List<IdentityId>> ListExpiredAsync(DateTimeOffset now, int limit, CancellationToken stopping) => database.ReadAsync(
        session => session.List(SelectExpired, ReadId, ("@now", now.ToUnixTimeMilliseconds()), ("@limit", (long)limit)), stopping);

    /// <summary>Enqueued and locked commands of an identity, for the registry's <c>cloudToDeviceMessageCount</c>.</summary>
    public Task<int> CountAsync(IdentityId id, string generationId, CancellationToken stopping)
    {
        var (device, module) = Key(id);
        return database.ReadAsync(
            session => (int)(session.Number(CountCommands, ("@device", device), ("@module", module), ("@generation", generationId)) ?? 0),
            stopping);
    }

    /// <summary>The same for all identities of a range of devices; who has none is not in it.</summary>
    public Task<Dictionary<IdentityId, int>> ListCountsAsync(DeviceId first, DeviceId last, CancellationToken stopping) => database.ReadAsync(
        session => session.List(
            CountInRange, row => KeyValuePair.Create(ReadId(row), row.GetInt32(2)), ("@first", first.Value), ("@last", last.Value)).ToDictionary(),
        stopping);

    private static IdentityId ReadId(DbDataReader row) => new(
        DeviceId.Parse(row.GetString(0)), row.GetString(1) is { Length: > 0 } module ? ModuleId.Parse(module) : null);

    private static (string Device, string Module) Key(IdentityId id) => (id.Device.Value, id.Module?.Value ?? "");

    private static long Wanted(CommandOutcome outcome) =>
        (long)(outcome is CommandOutcome.Success ? AcknowledgementRequest.Positive : AcknowledgementRequest.Negative);

    private static QueuedCommand ReadHead(DbDataReader row) => new(
        row.GetInt64(0),
        DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(1)),
        DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(2)),
        row.GetInt32(3));

    private static CloudToDeviceMessage ReadMessage(DbDataReader row) => new(
        MessageJson.Read(row.GetString(0), DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(3))),
        (byte[])row[1],
        (AcknowledgementRequest)row.GetInt32(2));
}

/// <summary>A command that is over.</summary>
/// <param name="Id">Whose it was.</param>
/// <param name="Outcome">How it ended.</param>
/// <param name="MessageId">As its sender named it; empty where it did not.</param>
/// <param name="Acknowledgement">Which outcomes its sender wants to hear of.</param>
/// <param name="Bytes">The size of its body.</param>
internal sealed record CommandEnded(IdentityId Id, CommandOutcome Outcome, string MessageId, AcknowledgementRequest Acknowledgement, long Bytes);

/// <summary>A queue as SQL has it.</summary>
/// <param name="GenerationId">The identity's generation.</param>
/// <param name="NextSequenceNumber">The number that the next command gets.</param>
/// <param name="Commands">Heads in order.</param>
internal sealed record StoredQueue(string GenerationId, long NextSequenceNumber, IReadOnlyList<QueuedCommand> Commands);
