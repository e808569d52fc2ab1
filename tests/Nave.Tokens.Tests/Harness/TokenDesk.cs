using System.Net;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Nave.Protocol.Identities;
using Nave.Tokens.Checks;
using Nave.Tokens.Limits;
using Nave.Tokens.Secrets;

namespace Nave.Tokens.Tests.Harness;

/// <summary>A token service without a network: a table in a temporary SQLite file, a clock of its own, everything it says kept.</summary>
internal sealed class TokenDesk : IAsyncDisposable
{
    public const string PolicyKey = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

    public static readonly IPAddress Home = IPAddress.Parse("192.0.2.1");
    public static readonly IPAddress Elsewhere = IPAddress.Parse("198.51.100.7");

    private readonly SecretDatabase _database;
    private readonly TokenMetrics _metrics = new();

    private TokenDesk(string folder, SecretDatabase database, SecretTable table, FakeTimeProvider time, KeptLog log, AttemptLimitOptions limits)
    {
        Folder = folder;
        _database = database;
        Table = table;
        Time = time;
        Log = log;
        Audit = new TokenAudit(folder, time, NullLogger<TokenAudit>.Instance);
        var factory = new LoggerFactory([log], new LoggerFilterOptions { MinLevel = LogLevel.Trace });
        Issuer = new TokenIssuer(
            [new SecretTableCheck(table, _metrics, time, factory.CreateLogger<SecretTableCheck>())],
            new DeviceTokens(Policy, new TokenLife(TimeSpan.FromHours(1), TimeSpan.FromHours(24)), time, () => 0),
            new AttemptLimits(limits, time), _metrics, Audit, factory.CreateLogger<TokenIssuer>(), time);
    }

    public string Folder { get; }

    public SecretTable Table { get; }

    public FakeTimeProvider Time { get; }

    public KeptLog Log { get; }

    public TokenAudit Audit { get; }

    public TokenIssuer Issuer { get; }

    public TokenMetrics Metrics => _metrics;

    public static HubPolicy Policy =>
        HubPolicy.TryParse($"HostName=hub.nave.test;SharedAccessKeyName=tokens;SharedAccessKey={PolicyKey}", 443, out var policy, out _)
            ? policy
            : throw new InvalidOperationException();

    public static async Task<TokenDesk> OpenAsync(AttemptLimitOptions? limits = null)
    {
        var folder = Directory.CreateTempSubdirectory("nave-tokens-").FullName;
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 11, 26, 12, 0, 0, TimeSpan.Zero));
        var database = SecretDatabase.OfSqlite(Path.Combine(folder, "table", "secrets.db"));
        var table = await SecretTable.OpenAsync(database, Path.Combine(folder, "keys", "secrets.key"), time, TestContext.Current.CancellationToken);
        return new TokenDesk(folder, database, table, time, new KeptLog(), limits ?? new AttemptLimitOptions());
    }

    public async Task<string> AddAsync(string identity, string device, string label = "default")
    {
        var (secret, problem) = await Table.AddGeneratedAsync(new NewSecret(identity, DeviceId.Parse(device), label, null), TestContext.Current.CancellationToken);
        Assert.Null(problem);
        return secret!;
    }

    public async Task AddPasswordAsync(string identity, string device, string password) => Assert.Null(
        await Table.AddChosenAsync(new NewSecret(identity, DeviceId.Parse(device), "password", null), password, TestContext.Current.CancellationToken));

    public Task<IssueOutcome> AskAsync(string identity, string secret, IPAddress? from = null, TimeSpan? life = null) =>
        Issuer.IssueAsync(PresentedCredential.OfSecret(identity, secret), life, from ?? Home, TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        await Audit.DisposeAsync();
        await _database.DisposeAsync();
        _metrics.Dispose();
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        Directory.Delete(Folder, recursive: true);
    }
}

/// <summary>Keeps what is logged, at every level.</summary>
internal sealed class KeptLog : ILoggerProvider, ILogger
{
    private readonly List<(LogLevel Level, string Text)> _lines = [];

    public IReadOnlyList<(LogLevel Level, string Text)> Lines
    {
        get
        {
            lock (_lines)
            {
                return [.. _lines];
            }
        }
    }

    public ILogger CreateLogger(string categoryName) => this;

    public void Dispose()
    {
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (_lines)
        {
            _lines.Add((logLevel, formatter(state, exception) + exception));
        }
    }
}
