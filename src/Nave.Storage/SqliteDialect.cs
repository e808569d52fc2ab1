using System.Data.Common;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Nave.Storage;

/// <summary>SQLite in one file, mode 0600: write-ahead log, a commit is synced before it counts.</summary>
public sealed class SqliteDialect(string path) : SqlDialect
{
    // "NAVE" in ASCII: tells our files from others.
    private const long ApplicationId = 0x4E415645;

    // Of SQLite's machine: about half a millisecond.
    private const int StepsBetweenLooks = 10_000;

    // How long a statement waits for a lock of another program (a backup, an inspection), whichever way it runs.
    private const int BusySeconds = 30;

    private static readonly string BusyTimeout = $"PRAGMA busy_timeout={BusySeconds * 1000}";

    private readonly string _path = Path.GetFullPath(path);

    /// <inheritdoc/>
    public override string Description => _path;

    /// <inheritdoc/>
    public override string BeginWrite => "BEGIN IMMEDIATE";

    /// <inheritdoc/>
    public override DbConnection OpenWriter()
    {
        CreateFile();
        var connection = Open(SqliteOpenMode.ReadWrite);
        try
        {
            CheckOwner(connection);
            Run(connection, "PRAGMA journal_mode=WAL");
            Run(connection, "PRAGMA synchronous=FULL"); // In WAL mode: the log is synced at every commit.
            Run(connection, "PRAGMA wal_autocheckpoint=8192"); // 32 MB: a page that changes often is copied back once in a while, not each time.
            Run(connection, "PRAGMA foreign_keys=ON");
            Run(connection, BusyTimeout);
            Run(connection, "PRAGMA temp_store=MEMORY");
            Run(connection, "PRAGMA cache_size=-16384"); // 16 MB: what is written often is not read from the file each time.
            SqliteJsonSql.AddTo(connection);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override DbConnection OpenReader()
    {
        var connection = Open(SqliteOpenMode.ReadOnly);
        Run(connection, BusyTimeout);
        Run(connection, "PRAGMA temp_store=MEMORY");
        SqliteJsonSql.AddTo(connection);
        return connection;
    }

    /// <inheritdoc/>
    public override JsonSql Json { get; } = new SqliteJsonSql();

    /// <inheritdoc/>
    public override ISqlStatement? Prepare(DbConnection connection, string sql, ReadOnlySpan<(string Name, object? Value)> parameters) =>
        SqliteStatement.TryPrepare((SqliteConnection)connection, sql, parameters, out var statement) ? statement : null;

    // Not sqlite3_interrupt: that is lost on a statement which is still being prepared.
    /// <inheritdoc/>
    public override void Watch(DbConnection connection, CancellationToken? stopping) => raw.sqlite3_progress_handler(
        ((SqliteConnection)connection).Handle,
        stopping is null ? 0 : StepsBetweenLooks,
        stopping is { } token ? _ => token.IsCancellationRequested ? 1 : 0 : null,
        null);

    /// <inheritdoc/>
    public override bool IsInterrupted(DbException exception) => exception is SqliteException { SqliteErrorCode: raw.SQLITE_INTERRUPT };

    /// <inheritdoc/>
    public override bool IsInTransaction(DbConnection connection) =>
        raw.sqlite3_get_autocommit(((SqliteConnection)connection).Handle) == 0;

    /// <inheritdoc/>
    public override string Translate(string schemaStatement) => schemaStatement
        .Replace("{blob}", "BLOB", StringComparison.Ordinal)
        .Replace("{long}", "INTEGER", StringComparison.Ordinal)
        .Replace("{text}", "TEXT", StringComparison.Ordinal)
        .Replace("{json}", "BLOB", StringComparison.Ordinal) // jsonb
        .Replace("{keyed}", "WITHOUT ROWID", StringComparison.Ordinal);

    /// <inheritdoc/>
    public override string BackUp(DbConnection writer, string label)
    {
        var folder = Path.Combine(Path.GetDirectoryName(_path)!, "backups");
        Directory.CreateDirectory(folder);
        var copy = Path.Combine(folder, $"{Path.GetFileNameWithoutExtension(_path)}-{label}.db");
        var unfinished = copy + ".tmp";
        File.Delete(unfinished);
        CreatePrivateFile(unfinished);
        var target = new SqliteConnectionStringBuilder { DataSource = unfinished, Pooling = false };
        using (var connection = new SqliteConnection(target.ToString()))
        {
            connection.Open();
            ((SqliteConnection)writer).BackupDatabase(connection);
        }

        using (var file = new FileStream(unfinished, FileMode.Open, FileAccess.ReadWrite))
        {
            file.Flush(flushToDisk: true);
        }

        File.Move(unfinished, copy, overwrite: true);
        DirectorySync.Sync(folder);
        return copy;
    }

    /// <inheritdoc/>
    public override void Checkpoint(DbConnection writer) => Run(writer, "PRAGMA wal_checkpoint(TRUNCATE)");

    /// <inheritdoc/>
    public override bool IsUnavailable(DbException exception) =>
        exception is SqliteException { SqliteErrorCode: raw.SQLITE_FULL or raw.SQLITE_IOERR or raw.SQLITE_READONLY or raw.SQLITE_CANTOPEN or raw.SQLITE_BUSY or raw.SQLITE_NOMEM };

    private static void CheckOwner(DbConnection connection)
    {
        var owner = Read(connection, "PRAGMA application_id");
        var isEmpty = Read(connection, "SELECT count(*) FROM sqlite_master") == 0;
        if (owner == ApplicationId)
        {
            return;
        }

        if (!isEmpty)
        {
            throw new NotOurDataException($"{connection.DataSource} is an SQLite database of another program.");
        }

        Run(connection, $"PRAGMA application_id={ApplicationId}");
    }

    private static long Read(DbConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return (long)command.ExecuteScalar()!;
    }

    private static void Run(DbConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private static void CreatePrivateFile(string path)
    {
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        new FileStream(path, options).Dispose();
    }

    private void CreateFile()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
        if (!File.Exists(_path))
        {
            CreatePrivateFile(_path); // SQLite gives the mode of the database to its log and shared memory.
        }
    }

    private SqliteConnection Open(SqliteOpenMode mode)
    {
        var text = new SqliteConnectionStringBuilder { DataSource = _path, Mode = mode, Pooling = false, DefaultTimeout = BusySeconds };
        var connection = new SqliteConnection(text.ToString());
        connection.Open();
        return connection;
    }
}
