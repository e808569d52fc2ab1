using System.Data.Common;
using Microsoft.Data.Sqlite;
using Nave.Storage;
using Npgsql;

namespace Nave.Tokens.Secrets;

/// <summary>The database that holds the table: a SQLite file or a PostgreSQL database. Opens connections, knows no statement.</summary>
public sealed class SecretDatabase : IAsyncDisposable
{
    // An answer that takes longer is none: the device tries again.
    private const int CommandTimeoutSeconds = 3;
    private const int MostConnections = 16;

    private readonly NpgsqlDataSource? _postgres;
    private readonly string? _sqlite;

    private SecretDatabase(NpgsqlDataSource? postgres, string? sqlite, string description)
    {
        _postgres = postgres;
        _sqlite = sqlite;
        Description = description;
    }

    /// <summary>Names it to an operator; holds no secret.</summary>
    public string Description { get; }

    /// <summary>The file that key files must not lie beside; null for PostgreSQL.</summary>
    public string? File { get; private init; }

    /// <summary>A SQLite file; made if there is none.</summary>
    public static SecretDatabase OfSqlite(string file)
    {
        var full = Path.GetFullPath(file);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        if (!System.IO.File.Exists(full) && !OperatingSystem.IsWindows())
        {
            // Verifiers are no secrets to be used, but nobody else's business either.
            var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite };
            new FileStream(full, options).Dispose();
        }

        var text = new SqliteConnectionStringBuilder { DataSource = full, DefaultTimeout = CommandTimeoutSeconds }.ToString();
        return new SecretDatabase(null, text, $"the SQLite file {full}") { File = full };
    }

    /// <summary>A PostgreSQL database.</summary>
    /// <exception cref="NotOurDataException">The connection string is none; the message does not show it.</exception>
    public static SecretDatabase OfPostgres(string connectionString)
    {
        try
        {
            var text = new NpgsqlConnectionStringBuilder(connectionString)
            {
                CommandTimeout = CommandTimeoutSeconds,
                Timeout = CommandTimeoutSeconds,
                MaxPoolSize = MostConnections,
                ApplicationName = "nave tokens",
            };
            return new SecretDatabase(NpgsqlDataSource.Create(text), null, $"the PostgreSQL database '{text.Database}' on {text.Host}");
        }
        catch (ArgumentException)
        {
            // Its message may quote the password.
            throw new NotOurDataException(
                "The PostgreSQL connection string cannot be read: it is of the form Host=…;Port=5432;Database=…;Username=…;Password=….");
        }
    }

    /// <summary>A connection, pooled.</summary>
    public async ValueTask<DbConnection> OpenAsync(CancellationToken stopping)
    {
        if (_postgres is not null)
        {
            return await _postgres.OpenConnectionAsync(stopping);
        }

        var connection = new SqliteConnection(_sqlite);
        try
        {
            await connection.OpenAsync(stopping);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _postgres?.DisposeAsync() ?? ValueTask.CompletedTask;
}
