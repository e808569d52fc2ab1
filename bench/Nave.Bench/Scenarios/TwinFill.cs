using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Nave.Bench.Scenarios;

/// <summary>Registers devices as a back end does: bulk requests of a hundred, some at a time.</summary>
internal static class TwinFill
{
    private const int BulkSize = 100;
    private static readonly TimeSpan TokenLife = TimeSpan.FromHours(1);

    private const int AtOnce = 4;

    /// <summary>Devices that stay away, each with a twin of its own.</summary>
    public static Task RunAsync(HubConnection hub, int devices, string tags, TimeProvider time, CancellationToken stopping) => RegisterAsync(
        hub, devices, number => string.Create(CultureInfo.InvariantCulture, $$"""{"id":"away-{{number}}","importMode":"create","tags":{{tags}}}"""),
        time, stopping);

    /// <param name="item">The bulk item of a device, counted from 0.</param>
    public static async Task RegisterAsync(HubConnection hub, int devices, Func<int, string> item, TimeProvider time, CancellationToken stopping)
    {
        using var client = CreateClient(hub, new Uri($"https://localhost:{hub.Ports.Https}/"));
        client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", Token(hub, time));
        await Parallel.ForEachAsync(
            Enumerable.Range(0, (devices + BulkSize - 1) / BulkSize),
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = stopping },
            async (bulk, cancel) =>
            {
                var first = bulk * BulkSize;
                using var body = new StringContent(
                    "[" + string.Join(',', Enumerable.Range(first, Math.Min(BulkSize, devices - first)).Select(item)) + "]", Encoding.UTF8);
                body.Headers.ContentType = new MediaTypeHeaderValue("application/json");
                using var answer = await client.PostAsync("devices?api-version=2021-04-12", body, cancel);
                if (!answer.IsSuccessStatusCode)
                {
                    throw new PeerUnavailableException($"the hub refused to register devices: {await answer.Content.ReadAsStringAsync(cancel)}");
                }
            });
    }

    /// <summary>A client that trusts the hub's own authority and nobody else.</summary>
    public static HttpClient CreateClient(HubConnection hub, Uri address)
    {
        var handler = new SocketsHttpHandler();
        handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            CustomTrustStore = { X509CertificateLoader.LoadCertificateFromFile(hub.CaCertificate) },
            RevocationMode = X509RevocationMode.NoCheck,
        };
        return new HttpClient(handler) { BaseAddress = address };
    }

    private static string Token(HubConnection hub, TimeProvider time)
    {
        const string Policy = "iothubowner";
        var key = hub.Policies[Policy].Split("SharedAccessKey=")[1];
        return DeviceToken.Mint(hub.HostName, Convert.FromBase64String(key), time.GetUtcNow() + TokenLife) + $"&skn={Policy}";
    }
}
