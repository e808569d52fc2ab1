// A device that knows no key of the hub, only a secret of your own identity system: it gets its tokens from
// `nave tokens run` and speaks plain MQTT.
//   TOKEN_SERVICE=https://localhost:8450/tokens DEVICE_IDENTITY=pump-7 DEVICE_SECRET=… CA_FILE=both-ca.pem dotnet run
// CA_FILE holds the certificates of both authorities, the hub's and the token service's; leave it out for public ones.
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using TokenDevice;

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, key) =>
{
    key.Cancel = true;
    stop.Cancel();
};

using var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, SslOptions = Tls(null) }) { Timeout = TimeSpan.FromSeconds(20) };
var tokens = new TokenClient(http, new Uri(Needed("TOKEN_SERVICE")), Needed("DEVICE_IDENTITY"), Needed("DEVICE_SECRET"));
var time = TimeProvider.System;
try
{
    for (var reading = 0; ;)
    {
        // MQTT 3.1.1 has no way to renew a token in place: a new one needs a new connection.
        var token = await tokens.AskAsync(stop.Token);
        Console.WriteLine($"connecting as {token.DeviceId}, the token is good until {token.ExpiresAt:u}");
        try
        {
            await using var device = await MqttDevice.ConnectAsync(token, Tls(token.HostName), stop.Token);
            while (time.GetUtcNow() < token.RenewAt)
            {
                await device.SendAsync($"{{\"reading\":{++reading}}}", stop.Token);
                Console.WriteLine($"reading {reading} is on the hub's disk");
                await Task.Delay(TimeSpan.FromSeconds(5), time, stop.Token);
            }
        }
        catch (IOException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            await Task.Delay(TimeSpan.FromSeconds(5), time, stop.Token);
        }
    }
}
catch (OperationCanceledException) when (stop.IsCancellationRequested)
{
    return 0;
}

static string Needed(string name) => Environment.GetEnvironmentVariable(name) ?? throw new InvalidOperationException($"Set {name}.");

static SslClientAuthenticationOptions Tls(string? host)
{
    var options = new SslClientAuthenticationOptions { TargetHost = host };
    if (Environment.GetEnvironmentVariable("CA_FILE") is { } file)
    {
        options.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        options.CertificateChainPolicy.CustomTrustStore.ImportFromPemFile(file);
    }

    return options;
}
