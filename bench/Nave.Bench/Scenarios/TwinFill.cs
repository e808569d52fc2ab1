using System.Globalization;
using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Nave.Bench.Scenarios;

/// <summary>Registers devices that stay away, each with a twin of its own, as a back end does: bulk requests of a hundred.</summary>
internal static class TwinFill
{
    private const int BulkSize = 100;
    private static readonly TimeSpan TokenLife = TimeSpan.FromHours(1);

    public static async Task RunAsync(HubConnection hub, int devices, string tags, TimeProvider time, CancellationToken stopping)
    {
        using var ca = X509CertificateLoader.LoadCertificateFromFile(hub.CaCertificate);
        using var handler = new SocketsHttpHandler();
        handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            CustomTrustStore = { ca },
            RevocationMode = X509RevocationMode.NoCheck,
        };
        using var client = new HttpClient(handler) { BaseAddress = new Uri($"https://localhost:{hub.Ports.Https}/") };
        client.DefaultRequestHeaders.TryAddWithoutValidation("Authorization", Token(hub, time));
        for (var first = 0; first < devices; first += BulkSize)
        {
            using var body = new StringContent(Bulk(first, Math.Min(BulkSize, devices - first), tags), Encoding.UTF8);
            body.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using var answer = await client.PostAsync("devices?api-version=2021-04-12", body, stopping);
            if (!answer.IsSuccessStatusCode)
            {
                throw new PeerUnavailableException($"the hub refused to register devices: {await answer.Content.ReadAsStringAsync(stopping)}");
            }
        }
    }

    private static string Bulk(int first, int count, string tags) => "[" + string.Join(',', Enumerable.Range(first, count).Select(number =>
        string.Create(CultureInfo.InvariantCulture, $$"""{"id":"away-{{number}}","importMode":"create","tags":{{tags}}}"""))) + "]";

    private static string Token(HubConnection hub, TimeProvider time)
    {
        const string Policy = "iothubowner";
        var key = hub.Policies[Policy].Split("SharedAccessKey=")[1];
        return DeviceToken.Mint(hub.HostName, Convert.FromBase64String(key), time.GetUtcNow() + TokenLife) + $"&skn={Policy}";
    }
}
