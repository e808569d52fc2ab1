using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Nave.Hub.Hosting;

namespace Nave.Hub.Tests.Hosting;

public sealed class OpenSslSettingsTests
{
    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    [Fact]
    public async Task This_runtime_lets_an_idle_connections_buffers_go_and_the_connection_works_on()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Elsewhere TLS is not OpenSSL's.");
        using var certificate = SelfSigned();
        await using var pair = await Pair.OpenAsync(certificate, new SslServerAuthenticationOptions { ServerCertificate = certificate }, new SslClientAuthenticationOptions());
        var (server, client) = (pair.Server, pair.Client);

        Assert.True(OpenSslSettings.TryApply(server));

        var bytes = new byte[40_000];
        for (var round = 0; round < 3; round++)
        {
            var sent = RandomNumberGenerator.GetBytes(bytes.Length);
            var sending = client.WriteAsync(sent, Stopping).AsTask();
            await server.ReadExactlyAsync(bytes, Stopping);
            await sending;
            Assert.Equal(sent, bytes);

            sending = server.WriteAsync(sent, Stopping).AsTask();
            await client.ReadExactlyAsync(bytes, Stopping);
            await sending;
            Assert.Equal(sent, bytes);
        }
    }

    [Fact]
    public async Task The_handshakes_that_follow_give_one_ticket_instead_of_two()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Elsewhere TLS is not OpenSSL's.");
        using var certificate = SelfSigned();
        var context = SslStreamCertificateContext.Create(certificate, null, offline: true);
        await using var first = await OpenAsync();
        var before = first.Waiting;

        Assert.True(OpenSslSettings.TryApply(first.Server));

        await using var second = await OpenAsync();
        var afterwards = second.Waiting;
        Assert.True(before > 0, "The server gives no tickets at all.");
        Assert.InRange(afterwards, before * 0.4, before * 0.6);

        Task<Pair> OpenAsync() => Pair.OpenAsync(
            certificate,
            new SslServerAuthenticationOptions { ServerCertificateContext = context },
            new SslClientAuthenticationOptions { EnabledSslProtocols = SslProtocols.Tls13, AllowTlsResume = false });
    }

    [Fact]
    public async Task A_stream_without_a_handshake_has_nothing_to_let_go()
    {
        await using var stream = new SslStream(new MemoryStream());

        Assert.False(OpenSslSettings.TryApply(stream));
        Assert.False(OpenSslSettings.TryApply(null));
    }

    private static X509Certificate2 SelfSigned()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
    }

    /// <summary>Both ends of a connection behind its handshake.</summary>
    private sealed class Pair(TcpClient connecting, TcpClient accepted, SslStream server, SslStream client) : IAsyncDisposable
    {
        public SslStream Server => server;

        public SslStream Client => client;

        /// <summary>How much the server has said behind the client's last word of the handshake.</summary>
        public double Waiting => connecting.Available;

        public static async Task<Pair> OpenAsync(
            X509Certificate2 certificate, SslServerAuthenticationOptions serverOptions, SslClientAuthenticationOptions clientOptions)
        {
            using var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            var connecting = new TcpClient();
            await connecting.ConnectAsync((IPEndPoint)listener.LocalEndpoint, Stopping);
            var accepted = await listener.AcceptTcpClientAsync(Stopping);
            var server = new SslStream(accepted.GetStream());
            var client = new SslStream(
                connecting.GetStream(), false, (_, presented, _, _) => presented?.GetCertHashString() == certificate.Thumbprint);
            clientOptions.TargetHost = "localhost";
            await Task.WhenAll(
                server.AuthenticateAsServerAsync(serverOptions, Stopping), client.AuthenticateAsClientAsync(clientOptions, Stopping));
            return new Pair(connecting, accepted, server, client);
        }

        public async ValueTask DisposeAsync()
        {
            await client.DisposeAsync();
            await server.DisposeAsync();
            connecting.Dispose();
            accepted.Dispose();
        }
    }
}
