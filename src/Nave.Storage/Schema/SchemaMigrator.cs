using System.Data.Common;
using Microsoft.Extensions.Logging;

namespace Nave.Storage.Schema;

/// <summary>
/// Brings a database to the versions that this program knows: in one transaction, after a backup copy. Refuses data that
/// a newer program has written.
/// </summary>
internal sealed partial class SchemaMigrator(SqlDialect dialect, DbConnection connection, TimeProvider time, ILogger logger)
{
    public void Migrate(IReadOnlyCollection<SchemaPart> parts)
    {
        Run("CREATE TABLE IF NOT EXISTS nave_schema (part TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL)");
        var stored = ReadVersions();
        Refuse(stored, parts);
        var behind = parts.Where(part => stored.GetValueOrDefault(part.Name) < part.Migrations.Count).ToList();
        if (behind.Count == 0)
        {
            return;
        }

        if (stored.Count > 0)
        {
            Log.BackedUp(logger, dialect.BackUp(connection, time.GetUtcNow().ToString("yyyyMMdd'T'HHmmssfff'Z'")));
        }

        Run(dialect.BeginWrite);
        try
        {
            foreach (var part in behind)
            {
                Apply(part, stored.GetValueOrDefault(part.Name));
            }

            Run("COMMIT");
        }
        catch
        {
            if (dialect.IsInTransaction(connection))
            {
                Run("ROLLBACK");
            }

            throw;
        }
    }

    private void Refuse(Dictionary<string, int> stored, IReadOnlyCollection<SchemaPart> parts)
    {
        var known = parts.ToDictionary(part => part.Name, part => part.Migrations.Count);
        foreach (var (part, version) in stored)
        {
            if (version > known.GetValueOrDefault(part))
            {
                throw new NewerDataException(
                    $"{dialect.Description}: part '{part}' has version {version}, this program knows {known.GetValueOrDefault(part)}. " +
                    "A newer Nave wrote it: use that one, or restore the backup that it made before the change.");
            }
        }
    }

    private void Apply(SchemaPart part, int from)
    {
        foreach (var migration in part.Migrations.Skip(from))
        {
            Run(dialect.Translate(migration));
        }

        using var command = connection.CreateCommand();
        command.CommandText = """
            INSERT INTO nave_schema (part, version) VALUES (@part, @version)
            ON CONFLICT (part) DO UPDATE SET version = excluded.version
            """;
        Add(command, "@part", part.Name);
        Add(command, "@version", part.Migrations.Count);
        command.ExecuteNonQuery();
        Log.Migrated(logger, part.Name, from, part.Migrations.Count);
    }

    private Dictionary<string, int> ReadVersions()
    {
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT part, version FROM nave_schema";
        using var reader = command.ExecuteReader();
        var versions = new Dictionary<string, int>();
        while (reader.Read())
        {
            versions[reader.GetString(0)] = reader.GetInt32(1);
        }

        return versions;
    }

    private void Run(string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private static void Add(DbCommand command, string name, object value)
    {
        var parameter = command.CreateParameter();
        parameter.ParameterName = name;
        parameter.Value = value;
        command.Parameters.Add(parameter);
    }

    private static partial class Log
    {
        [LoggerMessage(7010, LogLevel.Information, "The database was copied to {Path} before its schema changes")]
        public static partial void BackedUp(ILogger logger, string path);

        [LoggerMessage(7011, LogLevel.Information, "The database's part {Part} went from version {From} to {To}")]
        public static partial void Migrated(ILogger logger, string part, int from, int to);
    }
}
