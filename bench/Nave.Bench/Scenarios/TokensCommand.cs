using System.Buffers.Text;
using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Nave.Protocol.Identities;
using Nave.Tokens;
using Nave.Tokens.Checks;
using Nave.Tokens.Limits;
using Nave.Tokens.Oidc;
using Nave.Tokens.Secrets;

namespace Nave.Bench.Scenarios;

/// <summary>
/// <c>tokens</c>: the token service's library call by itself, one request after the other: limits, the check (a table in
/// SQLite, or a bearer token), the signature, the audit line. No network: a TLS handshake is measured elsewhere.
/// </summary>
internal static class TokensCommand
{
    private const int Identities = 1000;
    private const string Password = "correct horse battery";

    public static Command Create()
    {
        var seconds = new Option<double>("--seconds") { Description = "how long each kind of credential is measured", DefaultValueFactory = _ => 5 };
        var json = new Option<bool>("--json") { Description = "print JSON" };
        var command = new Command("tokens", "what a token costs by kind of credential") { seconds, json };
        command.SetAction(async (parsed, stopping) =>
        {
            var report = await RunAsync(TimeSpan.FromSeconds(parsed.GetValue(seconds)), stopping);
            Console.WriteLine(parsed.GetValue(json) ? JsonSerializer.Serialize(report) : string.Join(Environment.NewLine, report));
            Console.WriteLine($"load average {(await File.ReadAllTextAsync("/proc/loadavg", stopping)).Trim()}");
            return 0;
        });
        return command;
    }

    /// <summary>Measures each kind for so long.</summary>
    internal static async Task<IReadOnlyList<TokenFigures>> RunAsync(TimeSpan duration, CancellationToken stopping)
    {
        var folder = Directory.CreateTempSubdirectory("nave-bench-tokens-").FullName;
        try
        {
            await using var database = SecretDatabase.OfSqlite(Path.Combine(folder, "table", "secrets.db"));
            var table = await SecretTable.OpenAsync(database, Path.Combine(folder, "keys", "secrets.key"), TimeProvider.System, stopping);
            var secrets = new PresentedCredential[Identities];
            for (var i = 0; i < Identities; i++)
            {
                var (secret, problem) = await table.AddGeneratedAsync(new NewSecret($"id-{i}", DeviceId.Parse($"device-{i}"), "default", null), stopping);
                secrets[i] = PresentedCredential.OfSecret($"id-{i}", secret ?? throw new InvalidOperationException(problem));
            }

            await table.AddChosenAsync(new NewSecret("chosen", DeviceId.Parse("chosen"), "password", null), Password, stopping);
            using var rsa = RSA.Create(2048);
            using var ec = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            using var http = new HttpClient(new Keys(rsa, ec));
            using var metrics = new TokenMetrics();
            await using var audit = new TokenAudit(folder, TimeProvider.System, NullLogger<TokenAudit>.Instance);
            var issuer = IssuerOf(table, http, metrics, audit);
            return
            [
                await MeasureAsync("generated secret", issuer, i => secrets[i % Identities], duration, stopping),
                await MeasureAsync("bearer RS256", issuer, _ => PresentedCredential.OfBearer(Jwt("RS256", "r", data => rsa.SignData(data, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1))), duration, stopping),
                await MeasureAsync("bearer ES256", issuer, _ => PresentedCredential.OfBearer(Jwt("ES256", "e", data => ec.SignData(data, HashAlgorithmName.SHA256))), duration, stopping),
                await MeasureAsync("chosen password", issuer, _ => PresentedCredential.OfSecret("chosen", Password), duration, stopping),
            ];
        }
        finally
        {
            Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
            Directory.Delete(folder, recursive: true);
        }
    }

    private static TokenIssuer IssuerOf(SecretTable table, HttpClient http, TokenMetrics metrics, TokenAudit audit)
    {
        if (!HubPolicy.TryParse($"HostName=hub.example;SharedAccessKeyName=tokens;SharedAccessKey={Protocol.Access.SharedAccessKey.Generate()}", 443, out var policy, out _)
            || !DeviceTemplate.TryParse("{sub}", out var template, out _))
        {
            throw new InvalidOperationException();
        }

        var oidc = new OidcOptions { Issuer = "https://issuer.example", Audience = "bench", JwksUrl = new Uri("https://issuer.example/jwks"), Device = template };
        return new TokenIssuer(
            [
                new SecretTableCheck(table, metrics, TimeProvider.System, NullLogger<SecretTableCheck>.Instance),
                new OidcCheck(oidc, http, TimeProvider.System, NullLogger<OidcCheck>.Instance),
            ],
            new DeviceTokens(policy, new TokenLife(TimeSpan.FromHours(1), TimeSpan.FromHours(24)), TimeProvider.System, () => 0),
            new AttemptLimits(new AttemptLimitOptions { RequestsPerMinute = 0, TokensPerHour = 0 }, TimeProvider.System),
            metrics, audit, NullLogger<TokenIssuer>.Instance, TimeProvider.System);
    }

    private static async Task<TokenFigures> MeasureAsync(
        string what, TokenIssuer issuer, Func<int, PresentedCredential> credential, TimeSpan duration, CancellationToken stopping)
    {
        // Bearer tokens are made before, a handful of them: the issuer's work is not the service's.
        var credentials = Enumerable.Range(0, what.StartsWith("bearer", StringComparison.Ordinal) ? 16 : Identities).Select(credential).ToArray();
        var latencies = new List<double>();
        var cpu = TimeSpan.Zero;
        var began = Stopwatch.GetTimestamp();
        for (var i = 0; i < 3 || Stopwatch.GetElapsedTime(began) < duration * 1.25; i++)
        {
            if (latencies.Count == 0 && Stopwatch.GetElapsedTime(began) >= duration * 0.25)
            {
                cpu = Environment.CpuUsage.TotalTime; // What came before was the warming up.
            }

            var from = Stopwatch.GetTimestamp();
            if (await issuer.IssueAsync(credentials[i % credentials.Length], null, IPAddress.Loopback, stopping) is not IssueOutcome.Issued)
            {
                throw new InvalidOperationException($"{what}: no token was issued.");
            }

            if (cpu > TimeSpan.Zero)
            {
                latencies.Add(Stopwatch.GetElapsedTime(from).TotalMilliseconds);
            }
        }

        var used = Environment.CpuUsage.TotalTime - cpu;
        latencies.Sort();
        return new TokenFigures(
            what, latencies.Count, Math.Round(latencies.Count / used.TotalSeconds, 1), At(latencies, 0.5), At(latencies, 0.99));
    }

    private static double At(List<double> sorted, double share) => sorted.Count == 0 ? 0 : Math.Round(sorted[(int)Math.Min(sorted.Count - 1, share * sorted.Count)], 3);

    private static string Jwt(string algorithm, string kid, Func<byte[], byte[]> sign)
    {
        var expiry = TimeProvider.System.GetUtcNow().AddHours(1).ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        var header = Base64Url.EncodeToString(Encoding.UTF8.GetBytes($$"""{"alg":"{{algorithm}}","kid":"{{kid}}"}"""));
        var payload = Base64Url.EncodeToString(Encoding.UTF8.GetBytes($$"""{"iss":"https://issuer.example","aud":"bench","sub":"device-1","exp":{{expiry}}}"""));
        return $"{header}.{payload}.{Base64Url.EncodeToString(sign(Encoding.ASCII.GetBytes($"{header}.{payload}")))}";
    }

    /// <summary>The issuer's document, without a network.</summary>
    private sealed class Keys(RSA rsa, ECDsa ec) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var (r, e) = (rsa.ExportParameters(false), ec.ExportParameters(false));
            var json = $$"""
                {"keys":[{"kty":"RSA","kid":"r","n":"{{Base64Url.EncodeToString(r.Modulus)}}","e":"{{Base64Url.EncodeToString(r.Exponent)}}"},
                {"kty":"EC","kid":"e","crv":"P-256","x":"{{Base64Url.EncodeToString(e.Q.X)}}","y":"{{Base64Url.EncodeToString(e.Q.Y)}}"}]}
                """;
            return Task.FromResult(new HttpResponseMessage(HttpStatusCode.OK) { Content = new StringContent(json) });
        }
    }
}

/// <summary>What one kind of credential costs.</summary>
internal sealed record TokenFigures(string Credential, int Issued, double TokensPerCpuSecond, double MedianMs, double P99Ms)
{
    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{Credential,-18} {TokensPerCpuSecond,10:N1} tokens per second of a core; median {MedianMs} ms, p99 {P99Ms} ms ({Issued:N0} issued)");
}
