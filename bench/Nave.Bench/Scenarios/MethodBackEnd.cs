using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using Nave.Bench.Load;

namespace Nave.Bench.Scenarios;

/// <summary>A back end that sends one request after the other over HTTPS connections that it keeps.</summary>
internal sealed class MethodBackEnd : IDisposable
{
    private const string Policy = "service";
    private static readonly TimeSpan TokenLife = TimeSpan.FromHours(1);
    private static readonly MediaTypeHeaderValue Json = new("application/json");

    private readonly X509Certificate2 _ca;
    private readonly HttpClient _client;
    private readonly TimeProvider _time;

    public MethodBackEnd(HubConnection hub, TimeProvider time)
    {
        _time = time;
        _ca = X509CertificateLoader.LoadCertificateFromFile(hub.CaCertificate);
        var handler = new SocketsHttpHandler();
        handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            CustomTrustStore = { _ca },
            RevocationMode = X509RevocationMode.NoCheck,
        };
        _client = new HttpClient(handler)
        {
            BaseAddress = new Uri($"https://localhost:{hub.Ports.Https}/"),
            DefaultRequestVersion = HttpVersion.Version11,
        };
        var key = hub.Policies[Policy].Split("SharedAccessKey=")[1];
        var token = DeviceToken.Mint(hub.HostName, Convert.FromBase64String(key), time.GetUtcNow() + TokenLife) + $"&skn={Policy}";
        _client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", token);
    }

    /// <summary>Measures round trips, so many at a time, for that long.</summary>
    /// <param name="callers">Requests under way at a time.</param>
    /// <param name="duration">After a tenth of it as warm-up.</param>
    /// <param name="request">What a caller sends, by its number.</param>
    /// <param name="stopping">Ends it early.</param>
    public async Task<MethodFigures> MeasureAsync(
        int callers, TimeSpan duration, Func<int, HttpRequestMessage> request, CancellationToken stopping)
    {
        await RunAsync(callers, duration / 10, request, stopping);
        var begun = _time.GetTimestamp();
        var lanes = await RunAsync(callers, duration, request, stopping);
        var took = _time.GetElapsedTime(begun);
        var all = new LatencyHistogram();
        foreach (var lane in lanes)
        {
            all.Add(lane);
        }

        return new MethodFigures(all.Count / took.TotalSeconds, all.Percentile(0.5) / 1e6, all.Percentile(0.99) / 1e6, all.Count);
    }

    /// <summary>The call of a method with a small payload.</summary>
    public static HttpRequestMessage Call(string device)
    {
        var content = new ByteArrayContent("""{"methodName":"echo","responseTimeoutInSeconds":30,"connectTimeoutInSeconds":0,"payload":{"delay":5}}"""u8.ToArray());
        content.Headers.ContentType = Json;
        return new HttpRequestMessage(HttpMethod.Post, $"twins/{device}/methods?api-version=2021-04-12") { Content = content };
    }

    /// <summary>The cheapest request that the hub answers: what HTTPS itself costs.</summary>
    public static HttpRequestMessage Nothing() => new(HttpMethod.Get, "health/live");

    /// <inheritdoc/>
    public void Dispose()
    {
        _client.Dispose();
        _ca.Dispose();
    }

    private Task<LatencyHistogram[]> RunAsync(int callers, TimeSpan duration, Func<int, HttpRequestMessage> request, CancellationToken stopping) =>
        Task.WhenAll(Enumerable.Range(0, callers).Select(caller => RunLaneAsync(duration, () => request(caller), stopping)));

    private async Task<LatencyHistogram> RunLaneAsync(TimeSpan duration, Func<HttpRequestMessage> request, CancellationToken stopping)
    {
        var latencies = new LatencyHistogram();
        var begun = _time.GetTimestamp();
        while (_time.GetElapsedTime(begun) < duration)
        {
            using var message = request();
            var sent = _time.GetTimestamp();
            using var answer = await _client.SendAsync(message, stopping);
            var body = await answer.Content.ReadAsStringAsync(stopping);
            latencies.Record((long)_time.GetElapsedTime(sent).TotalNanoseconds);
            if (!answer.IsSuccessStatusCode)
            {
                throw new PeerUnavailableException($"a request failed: {(int)answer.StatusCode} {body}");
            }
        }

        return latencies;
    }
}

/// <summary>What one measurement of round trips gave.</summary>
internal sealed record MethodFigures(double PerSecond, double P50Ms, double P99Ms, long Count);
