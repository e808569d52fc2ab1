using Microsoft.Data.Sqlite;

namespace Nave.Bench.LogEngines;

/// <summary>SQLite, write-ahead log, synchronous=FULL: one transaction for what gathered; the key is the row's number.</summary>
internal sealed class SqliteSink : IBatchSink
{
    private readonly SqliteConnection _connection;
    private readonly SqliteCommand _begin;
    private readonly SqliteCommand _insert;
    private readonly SqliteCommand _commit;
    private readonly SqliteParameter _payload;

    public SqliteSink(string directory)
    {
        _connection = new SqliteConnection($"Data Source={Path.Combine(directory, "log.db")};Pooling=False");
        _connection.Open();
        foreach (var sql in (string[])["PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "CREATE TABLE log (sequence INTEGER PRIMARY KEY, payload BLOB NOT NULL)"])
        {
            using var command = Prepare(sql);
            command.ExecuteNonQuery();
        }

        (_begin, _commit) = (Prepare("BEGIN IMMEDIATE"), Prepare("COMMIT"));
        _insert = Prepare("INSERT INTO log (payload) VALUES (@payload)");
        _payload = _insert.Parameters.Add("@payload", SqliteType.Blob);
        _insert.Prepare();
    }

    public void Commit(RecordsToCommit records)
    {
        _begin.ExecuteNonQuery();
        var payload = new byte[records.RecordBytes];
        _payload.Value = payload;
        for (var bytes = records.Bytes; bytes.Length > 0; bytes = bytes[records.RecordBytes..])
        {
            bytes[..records.RecordBytes].CopyTo(payload);
            _insert.ExecuteNonQuery();
        }

        _commit.ExecuteNonQuery();
    }

    public void Dispose()
    {
        _begin.Dispose();
        _insert.Dispose();
        _commit.Dispose();
        _connection.Dispose();
    }

    private SqliteCommand Prepare(string sql)
    {
        var command = _connection.CreateCommand();
        command.CommandText = sql;
        return command;
    }
}
