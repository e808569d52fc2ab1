using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Nave.Hub.Tests.Harness;

namespace Nave.Hub.Tests.Hosting;

public sealed class TlsHandshakesTests
{
    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_client_that_trusts_the_hubs_authority_reaches_it_by_name_and_by_address()
    {
        await using var hub = await TestHub.StartAsync();
        using var http = CreateClient(hub);

        Assert.Equal("live\n", await http.GetStringAsync($"https://localhost:{hub.Connection.Ports.Https}/health/live", Stopping));
        Assert.Equal("ready\n", await http.GetStringAsync($"https://127.0.0.1:{hub.Connection.Ports.Https}/health/ready", Stopping));
    }

    [Fact]
    public async Task Peers_that_stop_in_the_middle_of_their_handshake_hold_up_nobody()
    {
        await using var hub = await TestHub.StartAsync(options => options.Tls.ConcurrentHandshakes = 1);
        var stopped = new List<TcpClient>();
        try
        {
            for (var i = 0; i < 20; i++)
            {
                var client = new TcpClient();
                stopped.Add(client);
                await client.ConnectAsync(IPAddress.Loopback, hub.Connection.Ports.Https, Stopping);
                await client.GetStream().WriteAsync(ClientHello, Stopping);

                // The server's part comes, and is left unanswered.
                await client.GetStream().ReadExactlyAsync(new byte[1], Stopping);
            }

            using var http = CreateClient(hub);
            Assert.Equal("live\n", await http.GetStringAsync($"https://localhost:{hub.Connection.Ports.Https}/health/live", Stopping));
        }
        finally
        {
            stopped.ForEach(client => client.Dispose());
        }
    }

    [Fact]
    public async Task A_handshake_that_takes_too_long_is_cut()
    {
        await using var hub = await TestHub.StartAsync(options => options.Tls.HandshakeTimeout = TimeSpan.FromMilliseconds(200));
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, hub.Connection.Ports.Mqtts, Stopping);

        Assert.Equal(0, await ReadUntilClosedAsync(client.GetStream()));
    }

    [Fact]
    public async Task Bytes_that_are_no_handshake_cost_their_own_connection_and_no_error()
    {
        await using var hub = await TestHub.StartAsync();
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, hub.Connection.Ports.Mqtts, Stopping);
        await client.GetStream().WriteAsync("GET / HTTP/1.1\r\n\r\n"u8.ToArray(), Stopping);
        await ReadUntilClosedAsync(client.GetStream());

        using var http = CreateClient(hub);
        Assert.Equal("live\n", await http.GetStringAsync($"https://localhost:{hub.Connection.Ports.Https}/health/live", Stopping));
    }

    [Fact]
    public async Task Tls_below_1_2_is_refused()
    {
        await using var hub = await TestHub.StartAsync();
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, hub.Connection.Ports.Mqtts, Stopping);
        await using var stream = new SslStream(client.GetStream());

#pragma warning disable SYSLIB0039, CA5397 // What is refused has to be offered.
        var options = new SslClientAuthenticationOptions { TargetHost = "localhost", EnabledSslProtocols = SslProtocols.Tls11 };
#pragma warning restore SYSLIB0039, CA5397
        await Assert.ThrowsAnyAsync<Exception>(() => stream.AuthenticateAsClientAsync(options, Stopping));
    }

    // TLS 1.2, one suite (ECDHE-ECDSA-AES128-GCM), two groups, three signature algorithms: the least that is answered.
    private static byte[] ClientHello => Convert.FromHexString(
        "160301004b010000470303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f000002c02b0100"
        + "001c000a00060004001d0017000b00020100000d00080006040308040503");

    private static HttpClient CreateClient(TestHub hub)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.ImportFromPemFile(hub.Connection.CaCertificate);
        return new HttpClient(new SocketsHttpHandler { SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy } });
    }

    private static async Task<int> ReadUntilClosedAsync(NetworkStream stream)
    {
        var total = 0;
        try
        {
            var buffer = new byte[1024];
            int read;
            while ((read = await stream.ReadAsync(buffer, Stopping)) > 0)
            {
                total += read;
            }
        }
        catch (IOException)
        {
            // Reset is as good as closed.
        }

        return total;
    }
}
