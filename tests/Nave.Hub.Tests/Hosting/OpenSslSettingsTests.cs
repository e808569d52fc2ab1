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
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var connecting = new TcpClient();
        await connecting.ConnectAsync((IPEndPoint)listener.LocalEndpoint, Stopping);
        using var accepted = await listener.AcceptTcpClientAsync(Stopping);
        await using var server = new SslStream(accepted.GetStream());
        using var certificate = SelfSigned();
        await using var client = new SslStream(
            connecting.GetStream(), false, (_, presented, _, _) => presented?.GetCertHashString() == certificate.Thumbprint);
        await Task.WhenAll(
            server.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate }, Stopping),
            client.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost" }, Stopping));

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

        var before = await TicketBytesAsync(context, isFirst: true);
        var afterwards = await TicketBytesAsync(context, isFirst: false);

        Assert.True(before > 0, "The server gives no tickets at all.");
        Assert.InRange(afterwards, before * 0.4, before * 0.6);
    }

    [Fact]
    public async Task A_stream_without_a_handshake_has_nothing_to_let_go()
    {
        await using var stream = new SslStream(new MemoryStream());

        Assert.False(OpenSslSettings.TryApply(stream));
        Assert.False(OpenSslSettings.TryApply(null));
    }

    /// <summary>How much the server says behind the client's last word of a handshake.</summary>
    private static async Task<double> TicketBytesAsync(SslStreamCertificateContext context, bool isFirst)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var connecting = new TcpClient();
        await connecting.ConnectAsync((IPEndPoint)listener.LocalEndpoint, Stopping);
        using var accepted = await listener.AcceptTcpClientAsync(Stopping);
        await using var server = new SslStream(accepted.GetStream());
        await using var client = new SslStream(
            connecting.GetStream(), false, (_, presented, _, _) => presented?.GetCertHashString() == context.TargetCertificate.Thumbprint);
        await Task.WhenAll(
            server.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificateContext = context }, Stopping),
            client.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions { TargetHost = "localhost", EnabledSslProtocols = SslProtocols.Tls13, AllowTlsResume = false }, Stopping));
        if (isFirst)
        {
            Assert.True(OpenSslSettings.TryApply(server));
        }

        return connecting.Available;
    }

    private static X509Certificate2 SelfSigned()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
    }
}
