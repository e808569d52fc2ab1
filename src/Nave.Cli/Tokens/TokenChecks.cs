using System.Data.Common;
using System.Net.Sockets;
using Nave.Storage;
using Nave.Tokens.Secrets;

namespace Nave.Cli.Tokens;

/// <summary>Opens what the credential checks stand on.</summary>
internal static class TokenChecks
{
    /// <summary>Whether a table of secrets is configured.</summary>
    public static bool HasTable(TokenRunOptions options) => options.Sqlite is not null || options.Postgres is not null;

    /// <summary>The table's database.</summary>
    /// <exception cref="CommandFailedException">None is configured, or two.</exception>
    public static SecretDatabase OpenDatabase(TokenRunOptions options) => options switch
    {
        { Sqlite: not null, Postgres: not null } => throw new CommandFailedException("Secrets:Sqlite and Secrets:Postgres are two tables: set one.", isUsage: true),
        { Sqlite: { } file } => SecretDatabase.OfSqlite(file),
        { Postgres: { } text } => Translate(() => SecretDatabase.OfPostgres(text)),
        _ => throw new CommandFailedException(
            "This needs a table of secrets: --sqlite FILE, or Secrets:Postgres in the environment (NAVE_TOKENS__Secrets__Postgres) or the configuration file.",
            isUsage: true),
    };

    /// <summary>The table in it.</summary>
    /// <exception cref="CommandFailedException">It cannot be used.</exception>
    public static async Task<SecretTable> OpenTableAsync(
        TokenRunOptions options, SecretDatabase database, TimeProvider time, CancellationToken stopping)
    {
        var keyFile = options.SecretKeyFile ?? Path.Combine(options.DataDirectory, "keys", "secrets.key");
        try
        {
            return await SecretTable.OpenAsync(database, keyFile, time, stopping);
        }
        catch (NotOurDataException e)
        {
            throw new CommandFailedException(e.Message);
        }
        catch (Exception e) when (e is DbException or SocketException or TimeoutException or IOException or UnauthorizedAccessException)
        {
            throw new CommandFailedException($"The table of secrets in {database.Description} cannot be used: {e.Message}");
        }
    }

    private static T Translate<T>(Func<T> open)
    {
        try
        {
            return open();
        }
        catch (NotOurDataException e)
        {
            throw new CommandFailedException(e.Message, isUsage: true);
        }
    }
}
