using System.Data.Common;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Nave.Cli.Hubs;
using Nave.Storage;
using Nave.Tokens.Callback;
using Nave.Tokens.Checks;
using Nave.Tokens.Oidc;
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

    /// <summary>Bearer tokens; null where none are accepted.</summary>
    /// <exception cref="CommandFailedException">The options are not whole.</exception>
    public static OidcCheck? OpenOidc(TokenRunOptions options, TimeProvider time, ILoggerFactory loggers)
    {
        if (options is { OidcIssuer: null, OidcAudience: null, OidcJwksUrl: null })
        {
            return null;
        }

        if (options is not { OidcIssuer: { } issuer, OidcAudience: { } audience, OidcJwksUrl: { } url })
        {
            throw new CommandFailedException("Oidc:Issuer, Oidc:Audience and Oidc:JwksUrl belong together: set all three.", isUsage: true);
        }

        if (!DeviceTemplate.TryParse(options.OidcDeviceId, out var template, out var problem))
        {
            throw new CommandFailedException($"Oidc:DeviceId '{options.OidcDeviceId}': {problem}.", isUsage: true);
        }

        var oidc = new OidcOptions { Issuer = issuer, Audience = audience, JwksUrl = new Uri(url), Device = template };
        return new OidcCheck(oidc, Client(url, options.OidcCaFile), time, loggers.CreateLogger<OidcCheck>());
    }

    /// <summary>The callback; null where there is none.</summary>
    /// <exception cref="CommandFailedException">It cannot be, beside a table.</exception>
    public static CallbackCheck? OpenCallback(TokenRunOptions options, TimeProvider time, ILoggerFactory loggers)
    {
        if (options.CallbackUrl is not { } url)
        {
            return null;
        }

        if (HasTable(options))
        {
            throw new CommandFailedException("Callback:Url and a table of secrets judge the same credentials: set one.", isUsage: true);
        }

        try
        {
            return new CallbackCheck(
                new Uri(url), Client(url, options.CallbackCaFile), options.CallbackAuthorization, time, loggers.CreateLogger<CallbackCheck>());
        }
        catch (ArgumentException e)
        {
            throw new CommandFailedException(e.Message, isUsage: true);
        }
    }

    private static HttpClient Client(string url, string? caFile) => OutboundHttp.Create(Trust.ClientOptions(new Uri(url).Host, caFile));

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
