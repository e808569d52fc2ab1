using System.Globalization;
using Microsoft.Data.Sqlite;

namespace Nave.Bench.Scenarios;

/// <summary>
/// What the disk and SQLite give by themselves: upserts of documents in transactions of a hundred, write-ahead log, each
/// commit synced, one table by key, no network, no JSON, nobody waiting. The floor of twin updates.
/// </summary>
internal sealed class SqliteUpserts : IDisposable
{
    private const int BatchSize = 100;
    private const int FillBatch = 1000;

    private readonly SqliteConnection _connection;
    private readonly string _document;
    private readonly Random _random = new(1);
    private long _written;

    public SqliteUpserts(string directory, int rows, string document)
    {
        _document = document;
        _connection = new SqliteConnection($"Data Source={Path.Combine(directory, "floor.db")};Pooling=False");
        _connection.Open();
        Run("PRAGMA journal_mode=WAL");
        Run("PRAGMA synchronous=FULL");
        Run("CREATE TABLE IF NOT EXISTS twins (id TEXT NOT NULL PRIMARY KEY, twin TEXT NOT NULL) WITHOUT ROWID");
        using var upsert = Upsert();
        for (var row = 0; row < rows; row += FillBatch)
        {
            Commit(upsert, Enumerable.Range(row, Math.Min(FillBatch, rows - row)));
        }
    }

    /// <summary>Upserts for that long, at random among the first so many rows.</summary>
    /// <returns>How many a second.</returns>
    public double Measure(int rows, TimeSpan duration, TimeProvider time)
    {
        using var upsert = Upsert();
        var begun = time.GetTimestamp();
        var count = 0L;
        while (time.GetElapsedTime(begun) < duration)
        {
            Commit(upsert, Enumerable.Range(0, BatchSize).Select(_ => _random.Next(rows)));
            count += BatchSize;
        }

        return count / time.GetElapsedTime(begun).TotalSeconds;
    }

    /// <inheritdoc/>
    public void Dispose() => _connection.Dispose();

    private void Commit(SqliteCommand upsert, IEnumerable<int> rows)
    {
        Run("BEGIN IMMEDIATE");
        foreach (var row in rows)
        {
            // Never the same twice: SQLite writes no page for what is there already.
            upsert.Parameters[1].Value = string.Create(CultureInfo.InvariantCulture, $"{_document[..^1]},\"n\":{_written++:D9}}}");
            upsert.Parameters[0].Value = string.Create(CultureInfo.InvariantCulture, $"bench-{row}");
            upsert.ExecuteNonQuery();
        }

        Run("COMMIT");
    }

    private SqliteCommand Upsert()
    {
        var command = _connection.CreateCommand();
        command.CommandText = "INSERT INTO twins (id, twin) VALUES (@id, @twin) ON CONFLICT (id) DO UPDATE SET twin = excluded.twin";
        command.Parameters.Add(new SqliteParameter("@id", SqliteType.Text));
        command.Parameters.Add(new SqliteParameter("@twin", SqliteType.Text));
        return command;
    }

    private void Run(string sql)
    {
        using var command = _connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}
