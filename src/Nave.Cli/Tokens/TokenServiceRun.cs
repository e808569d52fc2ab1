using System.Net;
using Microsoft.Extensions.Logging;
using Nave.Hub.Hosting;
using Nave.Hub.Hosting.Certificates;
using Nave.Hub.Monitoring;
using Nave.Tokens;
using Nave.Tokens.Checks;
using Nave.Tokens.Limits;
using Nave.Tokens.Secrets;
using Nave.Tokens.Service;

namespace Nave.Cli.Tokens;

/// <summary>Puts a token service together, runs it until it is told to stop, and takes it apart again.</summary>
internal static partial class TokenServiceRun
{
    /// <summary>Runs it.</summary>
    /// <exception cref="CommandFailedException">It cannot start.</exception>
    public static async Task RunAsync(TokenRunOptions options, TimeProvider time, CancellationToken stopping)
    {
        if (options.Life > options.LongestLife)
        {
            throw new CommandFailedException("Tokens:Life is longer than Tokens:LongestLife.", isUsage: true);
        }

        using var log = new ConsoleLog(Console.Out, options.LogFormat, isTerminal: !Console.IsOutputRedirected, options.LogLevel, time);
        using var loggers = new LoggerFactory([log]);
        await using var owned = new AsyncDisposableStack();
        using var metrics = new TokenMetrics();
        using var page = new PrometheusPage(metrics.Meter);

        // 1. The policy, before anything else: with another than DeviceConnect alone there is no service.
        var policy = await TokenHub.FindAsync(options, time, stopping);

        // 2. Who judges credentials.
        var checks = await OpenChecksAsync(options, metrics, owned, time, loggers, stopping);

        // 3. What may be asked, and what is written down of it.
        Directory.CreateDirectory(options.DataDirectory);
        var audit = owned.Own(new TokenAudit(options.Audit ? options.DataDirectory : null, time, loggers.CreateLogger<TokenAudit>()));
        var limits = new AttemptLimits(
            new AttemptLimitOptions { RequestsPerMinute = options.RequestsPerMinutePerAddress, TokensPerHour = options.TokensPerHourPerDevice }, time);
        var tokens = new DeviceTokens(policy, new TokenLife(options.Life, options.LongestLife), time, Jitter);
        var issuer = new TokenIssuer(checks, tokens, limits, metrics, audit, loggers.CreateLogger<TokenIssuer>(), time);

        // 4. The ports.
        var names = HostNames.Of(options.HostNames, options.Address, Environment.MachineName);
        using var certificates = OpenCertificates(options, names, time, loggers);
        await using var server = await StartAsync(options, certificates, page, log, issuer, metrics, time, stopping);
        Log.Ready(loggers.CreateLogger(typeof(TokenIssuer).FullName!), HostOf(names[0]), server.HttpsPort, string.Join(", ", checks.Select(check => check.Name)), policy.Name, policy.Host);
        await StopSignals.WaitAsync(stopping);
    }

    private static async Task<IReadOnlyList<ICredentialCheck>> OpenChecksAsync(
        TokenRunOptions options, TokenMetrics metrics, AsyncDisposableStack owned, TimeProvider time, ILoggerFactory loggers, CancellationToken stopping)
    {
        var checks = new List<ICredentialCheck>();
        if (TokenChecks.HasTable(options))
        {
            var database = owned.Own(TokenChecks.OpenDatabase(options));
            var table = await TokenChecks.OpenTableAsync(options, database, time, stopping);
            checks.Add(new SecretTableCheck(table, metrics, time, loggers.CreateLogger<SecretTableCheck>()));
        }

        if (TokenChecks.OpenOidc(options, time, loggers) is { } oidc)
        {
            checks.Add(oidc);
        }

        if (TokenChecks.OpenCallback(options, time, loggers) is { } callback)
        {
            checks.Add(callback);
        }

        return checks.Count > 0 ? checks : throw new CommandFailedException(
            "No credential check is configured. Set one or more of: a table of secrets (--sqlite FILE or Secrets:Postgres), "
            + "bearer tokens (--oidc-issuer, --oidc-audience, --oidc-jwks), a service of yours (--callback URL).",
            isUsage: true);
    }

    private static RoleCertificates OpenCertificates(TokenRunOptions options, IReadOnlyList<string> names, TimeProvider time, ILoggerFactory loggers)
    {
        try
        {
            return RoleCertificates.Open(Path.Combine(options.DataDirectory, "certs"), names, options.CertificateFile, options.KeyFile, time, loggers);
        }
        catch (StartFailureException e)
        {
            throw new CommandFailedException(e.Message);
        }
    }

    private static async Task<TokenServer> StartAsync(
        TokenRunOptions options, RoleCertificates certificates, PrometheusPage page, ConsoleLog log, TokenIssuer issuer, TokenMetrics metrics, TimeProvider time, CancellationToken stopping)
    {
        try
        {
            return await TokenServer.StartAsync(
                new TokenServerOptions
                {
                    Address = options.Address,
                    HttpsPort = options.HttpsPort,
                    MetricsPort = options.MetricsPort,
                    Certificate = () => certificates.Current,
                    MetricsPage = page.Write,
                    Log = log,
                },
                issuer, metrics, time, stopping);
        }
        catch (IOException e)
        {
            throw new CommandFailedException($"The ports cannot be opened: {e.Message} Choose others with --https-port and --metrics-port, or another address with --bind.");
        }
    }

    private static double Jitter() => System.Security.Cryptography.RandomNumberGenerator.GetInt32(1000) / 1000.0;

    private static string HostOf(string name) => IPAddress.TryParse(name, out var address) && address.AddressFamily is System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"[{name}]" : name;

    private static partial class Log
    {
        [LoggerMessage(9000, LogLevel.Information, "Tokens are issued at https://{Host}:{Port}/tokens by {Checks}, signed with the policy '{Policy}' of {Hub}")]
        public static partial void Ready(ILogger logger, string host, int port, string checks, string policy, string hub);
    }
}

/// <summary>Things to give back at the end, the last first.</summary>
internal sealed class AsyncDisposableStack : IAsyncDisposable
{
    private readonly Stack<IAsyncDisposable> _owned = new();

    /// <summary>Owns it from now on.</summary>
    public T Own<T>(T value)
        where T : IAsyncDisposable
    {
        _owned.Push(value);
        return value;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        while (_owned.TryPop(out var value))
        {
            await value.DisposeAsync();
        }
    }
}
