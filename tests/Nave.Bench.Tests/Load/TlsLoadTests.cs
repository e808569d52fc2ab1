using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Nave.Bench.Floor;
using Nave.Bench.Linux;
using Nave.Bench.Load;
using Nave.Bench.Scenarios;

namespace Nave.Bench.Tests.Load;

/// <summary>The generator's OpenSSL path against .NET's SslStream.</summary>
public sealed class TlsLoadTests : IAsyncDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("nave-bench-tests-");
    private readonly CancellationTokenSource _stop = new();
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly PeerCertificate _files;
    private readonly X509Certificate2 _certificate;
    private readonly Task _serving;

    public TlsLoadTests()
    {
        _files = PeerCertificate.Ensure(_directory.FullName);
        _certificate = X509Certificate2.CreateFromPemFile(_files.CertificateFile, _files.KeyFile);
        _listener.Start();
        _serving = ServeAsync();
    }

    [Theory]
    [InlineData(OpenSsl.Tls12)]
    [InlineData(OpenSsl.Tls13)]
    public async Task Everything_sent_over_tls_is_acknowledged(int version)
    {
        var report = await RunAsync(Options with { CaFile = _files.AuthorityFile, TlsVersion = version });

        Assert.Null(report.FirstError);
        Assert.Equal(0, report.Errors);
        Assert.Equal(2, report.Connected);
        Assert.True(report.Acknowledged > 0);
    }

    [Fact]
    public async Task Without_a_ca_file_any_certificate_will_do()
    {
        var report = await RunAsync(Options);

        Assert.Equal(2, report.Connected);
    }

    [Fact]
    public async Task A_certificate_of_another_ca_is_refused()
    {
        var other = PeerCertificate.Ensure(_directory.CreateSubdirectory("other").FullName);

        var report = await RunAsync(Options with { CaFile = other.AuthorityFile });

        Assert.Equal(0, report.Connected);
        Assert.Equal(2, report.ConnectErrors);
        Assert.Contains("TLS", report.FirstError);
    }

    [Fact]
    public async Task A_certificate_for_another_name_is_refused()
    {
        var report = await RunAsync(Options with { CaFile = _files.AuthorityFile, Host = "elsewhere" });

        Assert.Equal(0, report.Connected);
        Assert.Equal(2, report.ConnectErrors);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _serving;
        _listener.Stop();
        _certificate.Dispose();
        _stop.Dispose();
        _directory.Delete(recursive: true);
    }

    private LoadOptions Options => new()
    {
        Target = (IPEndPoint)_listener.LocalEndpoint,
        Host = "localhost",
        Tls = true,
        Connections = 2,
        Window = 100, // More than one TLS record.
        WarmUp = TimeSpan.Zero,
        Duration = TimeSpan.FromMilliseconds(60),
    };

    private static Task<LoadReport> RunAsync(LoadOptions options) =>
        new LoadRun(options, TimeProvider.System).RunAsync(null, TestContext.Current.CancellationToken);

    private async Task ServeAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true)
            {
                connections.Add(ServeOneAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
            }
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(connections);
        }
    }

    private async Task ServeOneAsync(TcpClient client)
    {
        using var owned = client;
        await using var tls = new SslStream(client.GetStream());
        var buffer = new byte[64 * 1024];
        var answers = new byte[64 * 1024];
        var unread = 0;
        try
        {
            await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = _certificate }, _stop.Token);
            while (await tls.ReadAsync(buffer.AsMemory(unread), _stop.Token) is var read and > 0)
            {
                var used = FloorAnswers.Write(buffer.AsSpan(0, unread + read), answers, out var answerBytes);
                if (used < 0)
                {
                    return;
                }

                await tls.WriteAsync(answers.AsMemory(0, answerBytes), _stop.Token);
                unread = unread + read - used;
                buffer.AsSpan(used, unread).CopyTo(buffer);
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or System.Security.Authentication.AuthenticationException)
        {
            // The generator refused the certificate, or left.
        }
    }
}
