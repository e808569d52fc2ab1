using System.Data.Common;
using Nave.Storage;

namespace Nave.Hub.Commands;

/// <summary>Feedback records in SQL; <see cref="CommandStore"/> writes them together with the outcome they report.</summary>
internal sealed class FeedbackStore(HubDatabase database)
{
    private const string SelectRange = """
        SELECT sequence, message_id, at, outcome, device_id, generation_id FROM feedback
        WHERE sequence >= @first AND sequence <= @last AND expires_at > @now ORDER BY sequence LIMIT @limit
        """;

    private const string DeleteRange = "DELETE FROM feedback WHERE sequence >= @first AND sequence <= @last";

    private const string DeleteOld = "DELETE FROM feedback WHERE expires_at <= @now";

    /// <summary>Records of a range that still live, oldest first.</summary>
    public Task<List<FeedbackRecord>> ListAsync(long first, long last, int limit, DateTimeOffset now, CancellationToken stopping) =>
        database.ReadAsync(
            session => session.List(
                SelectRange, Read,
                ("@first", first), ("@last", last), ("@now", now.ToUnixTimeMilliseconds()), ("@limit", (long)limit)),
            stopping);

    /// <summary>Takes out what was read or given up.</summary>
    public Task DeleteAsync(long first, long last, CancellationToken stopping) =>
        database.WriteAsync(session => session.Execute(DeleteRange, ("@first", first), ("@last", last)), stopping);

    /// <summary>Takes out what nobody read in time.</summary>
    public Task DeleteExpiredAsync(DateTimeOffset now, CancellationToken stopping) =>
        database.WriteAsync(session => session.Execute(DeleteOld, ("@now", now.ToUnixTimeMilliseconds())), stopping);

    private static FeedbackRecord Read(DbDataReader row) => new(
        row.GetInt64(0),
        row.GetString(1),
        DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(2)),
        (CommandOutcome)row.GetInt32(3),
        row.GetString(4),
        row.GetString(5));
}
