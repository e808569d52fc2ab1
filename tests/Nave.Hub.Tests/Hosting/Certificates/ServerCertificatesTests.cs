using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Hosting;
using Nave.Hub.Hosting.Certificates;
using Nave.Tests;

namespace Nave.Hub.Tests.Hosting.Certificates;

public sealed class ServerCertificatesTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly string _folder = Directory.CreateTempSubdirectory("nave-certs-").FullName;
    private readonly FakeTimeProvider _time = new(TimeProvider.System.GetUtcNow());

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void The_first_start_makes_an_authority_and_a_certificate_for_the_names()
    {
        using var certificates = Open("localhost", "hub.nave.test", "127.0.0.1");

        var leaf = certificates.Current.TargetCertificate;
        using var authority = X509CertificateLoader.LoadCertificateFromFile(certificates.AuthorityFile!);
        Assert.True(leaf.MatchesHostname("hub.nave.test") && leaf.MatchesHostname("localhost") && leaf.MatchesHostname("127.0.0.1"));
        Assert.False(leaf.MatchesHostname("other.nave.test"));
        Assert.Equal(365, (leaf.NotAfter - _time.GetUtcNow()).TotalDays, 0.01);
        Assert.Equal(_time.GetUtcNow().Year + 10, authority.NotAfter.ToUniversalTime().Year);
        Assert.Equal("1.2.840.10045.3.1.7", leaf.GetECDsaPublicKey()!.ExportParameters(false).Curve.Oid.Value);
        Assert.Empty(certificates.Current.IntermediateCertificates);
    }

    [Fact]
    public void The_certificate_is_for_this_machine_to_itself_too_where_the_operator_port_is()
    {
        using var certificates = Open("hub.nave.test");

        Assert.All(["localhost", "127.0.0.1", "::1"], name => Assert.True(certificates.Current.TargetCertificate.MatchesHostname(name), name));
    }

    [Fact]
    public void Keys_are_for_their_owner_only()
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        using var certificates = Open("localhost");

        foreach (var key in new[] { "ca-key.pem", "server-key.pem" })
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(_folder, key)));
        }
    }

    [Fact]
    public void A_second_start_shows_the_same_certificate_and_other_names_get_a_new_one_of_the_same_authority()
    {
        string first, ca;
        using (var certificates = Open("localhost", "hub.nave.test"))
        {
            (first, ca) = (certificates.Current.TargetCertificate.Thumbprint, File.ReadAllText(certificates.AuthorityFile!));
        }

        using var same = Open("localhost", "hub.nave.test");
        using var other = Open("localhost", "a.hub.nave.test");

        Assert.Equal(first, same.Current.TargetCertificate.Thumbprint);
        Assert.NotEqual(first, other.Current.TargetCertificate.Thumbprint);
        Assert.True(other.Current.TargetCertificate.MatchesHostname("a.hub.nave.test"));
        Assert.Equal(ca, File.ReadAllText(other.AuthorityFile!));
    }

    [Fact]
    public void The_authority_is_not_replaced_for_a_name_it_may_not_sign_for()
    {
        Open("hub.nave.test").Dispose();
        var ca = File.ReadAllText(Path.Combine(_folder, "ca.pem"));

        var problem = Assert.Throws<StartFailureException>(() => Open("elsewhere.test", "hub.nave.test"));
        using var alias = Open("hub.nave.test", "elsewhere.test", "10.1.2.3");

        Assert.Contains("elsewhere.test", problem.Message);
        Assert.False(alias.Current.TargetCertificate.MatchesHostname("elsewhere.test"));
        Assert.True(alias.Current.TargetCertificate.MatchesHostname("hub.nave.test"));
        Assert.Equal(ca, File.ReadAllText(Path.Combine(_folder, "ca.pem")));
    }

    [Fact]
    public void A_lost_key_of_the_authority_is_said_and_nothing_is_overwritten()
    {
        Open("localhost").Dispose();
        File.Delete(Path.Combine(_folder, "ca-key.pem"));
        var ca = File.ReadAllText(Path.Combine(_folder, "ca.pem"));

        var problem = Assert.Throws<StartFailureException>(() => Open("localhost"));

        Assert.Contains("ca-key.pem", problem.Message);
        Assert.Equal(ca, File.ReadAllText(Path.Combine(_folder, "ca.pem")));
    }

    [Theory]
    [InlineData("ca-key.pem")] // After the authority's key.
    [InlineData("ca-key.pem", "ca.pem")]
    [InlineData("ca-key.pem", "ca.pem", "server-key.pem")]
    public void A_first_start_that_was_cut_off_is_taken_up_again(params string[] present)
    {
        Open("localhost").Dispose();
        foreach (var file in Directory.GetFiles(_folder).Where(file => !present.Contains(Path.GetFileName(file))))
        {
            File.Delete(file);
        }

        using var certificates = Open("localhost");

        Assert.True(Verify(certificates, "localhost"));
    }

    [Fact]
    public void A_certificate_with_thirty_days_left_is_renewed_while_the_hub_runs()
    {
        using var certificates = Open("localhost");
        var first = certificates.Current;

        _time.Advance(TimeSpan.FromDays(334));
        Assert.Same(first, certificates.Current);
        _time.Advance(TimeSpan.FromDays(1.1));

        Assert.NotEqual(first.TargetCertificate.Thumbprint, certificates.Current.TargetCertificate.Thumbprint);
        Assert.True(certificates.Current.TargetCertificate.NotAfter > _time.GetUtcNow().AddDays(360));
    }

    [Fact]
    public void Names_may_change_while_the_hub_runs()
    {
        using var certificates = Open("hub.nave.test");

        certificates.UseNames(["hub.nave.test", "mqtt.hub.nave.test"]);

        Assert.True(certificates.Current.TargetCertificate.MatchesHostname("mqtt.hub.nave.test"));
    }

    [Fact]
    public void The_operators_files_are_shown_with_their_chain_but_the_root_and_read_again_when_they_change()
    {
        using var chain = TestCertificates.CreateServerChain("hub.nave.test");
        var (certificateFile, keyFile) = chain.Write(_folder);
        var settings = new CertificateSettings { Directory = _folder, Names = ["hub.nave.test"], CertificateFile = certificateFile, KeyFile = keyFile };
        using var certificates = ServerCertificates.Open(settings, _time, NullLogger<ServerCertificates>.Instance);
        Assert.Equal(chain.Leaf.Thumbprint, certificates.Current.TargetCertificate.Thumbprint);
        Assert.Equal([chain.Intermediate.Thumbprint], certificates.Current.IntermediateCertificates.Select(other => other.Thumbprint));
        Assert.Null(certificates.AuthorityFile);

        // Only one of the two has been replaced yet: the old pair goes on.
        using var next = TestCertificates.CreateServerChain("hub.nave.test");
        File.WriteAllText(certificateFile, next.CertificatePem);
        File.SetLastWriteTimeUtc(certificateFile, _time.GetUtcNow().UtcDateTime.AddSeconds(5));
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(chain.Leaf.Thumbprint, certificates.Current.TargetCertificate.Thumbprint);

        File.WriteAllText(keyFile, next.KeyPem);
        File.SetLastWriteTimeUtc(keyFile, _time.GetUtcNow().UtcDateTime.AddSeconds(10));
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(next.Leaf.Thumbprint, certificates.Current.TargetCertificate.Thumbprint);
    }

    [Theory]
    [InlineData("", "", "PEM")]
    [InlineData("not a certificate", "not a key", "PEM")]
    public void The_operators_files_must_be_a_certificate_and_its_key(string certificate, string key, string expected)
    {
        File.WriteAllText(Path.Combine(_folder, "c.pem"), certificate);
        File.WriteAllText(Path.Combine(_folder, "k.pem"), key);
        var settings = new CertificateSettings
        {
            Directory = _folder,
            Names = ["h"],
            CertificateFile = Path.Combine(_folder, "c.pem"),
            KeyFile = Path.Combine(_folder, "k.pem"),
        };

        var problem = Assert.Throws<StartFailureException>(() => ServerCertificates.Open(settings, _time, NullLogger<ServerCertificates>.Instance));

        Assert.Contains(expected, problem.Message);
    }

    [Fact]
    public async Task OpenSSL_accepts_the_certificate_with_nothing_but_the_root()
    {
        using var certificates = Open("hub.nave.test", "localhost", "127.0.0.9");
        using var leaf = File.Exists("/usr/bin/openssl") ? certificates.Current.TargetCertificate : null;
        Assert.SkipWhen(leaf is null, "openssl is not installed");

        foreach (var check in new[] { "-verify_hostname hub.nave.test", "-verify_hostname localhost", "-verify_ip 127.0.0.9" })
        {
            var output = await RunAsync("openssl", $"verify -x509_strict -purpose sslserver -CAfile {certificates.AuthorityFile} {check} {Path.Combine(_folder, "server.pem")}");
            Assert.EndsWith("server.pem: OK", output.Trim());
        }

        Assert.Contains("error", await RunAsync("openssl", $"verify -CAfile {certificates.AuthorityFile} -verify_hostname other.test {Path.Combine(_folder, "server.pem")}"));
    }

    [Fact]
    public async Task OpenSSL_refuses_what_the_authority_signs_for_a_foreign_name()
    {
        Open("hub.nave.test").Dispose();
        Assert.SkipUnless(File.Exists("/usr/bin/openssl"), "openssl is not installed");
        var files = new CertificateFiles(_folder);
        using var authority = OwnAuthority.Open(files, ["hub.nave.test"], _time.GetUtcNow());
        using var forged = authority.IssueServer(["bank.test"], _time.GetUtcNow());
        await File.WriteAllTextAsync(Path.Combine(_folder, "forged.pem"), forged.ExportCertificatePem());

        var output = await RunAsync("openssl", $"verify -CAfile {files.AuthorityFile} {Path.Combine(_folder, "forged.pem")}");

        Assert.Contains("permitted subtree violation", output);
    }

    [Theory]
    [InlineData("servername:'hub.nave.test'")]
    [InlineData("servername:'localhost'")]
    [InlineData("host:'127.0.0.1',servername:''")]
    public async Task Node_connects_with_nothing_but_the_root(string server)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/node"), "node is not installed");
        using var certificates = Open("hub.nave.test", "localhost", "127.0.0.1");
        await using var listener = new TlsListener(new ServerTls(certificates));

        var output = await RunAsync("node", $"-e \"const s=require('tls').connect({{port:{listener.Port},host:'127.0.0.1',{server},ca:require('fs').readFileSync('{certificates.AuthorityFile}')}},()=>{{console.log('AUTHORIZED',s.authorized,s.getProtocol());s.end()}});s.on('error',e=>console.log(e.message))\"");

        Assert.Equal("AUTHORIZED true TLSv1.3", output.Trim());
    }

    [Theory]
    [InlineData("TLSv1.2")]
    [InlineData("TLSv1.3")]
    public async Task A_resumed_session_still_knows_the_clients_certificate(string version)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/node"), "node is not installed");
        using var certificates = Open("localhost");
        using var chain = TestCertificates.CreateClientChain("dev1");
        var (certificateFile, keyFile) = chain.Write(_folder);
        await using var listener = new TlsListener(new ServerTls(certificates));
        var script = Path.Combine(_folder, "resume.js");
        await File.WriteAllTextAsync(script, $$"""
            const tls = require('tls'), fs = require('fs');
            let session, reused = [];
            function connect(left) {
              const socket = tls.connect({ port: {{listener.Port}}, host: '127.0.0.1', rejectUnauthorized: false, session,
                cert: fs.readFileSync('{{certificateFile}}'), key: fs.readFileSync('{{keyFile}}'), minVersion: '{{version}}', maxVersion: '{{version}}' });
              socket.on('session', ticket => session = ticket);
              socket.on('data', () => { reused.push(socket.isSessionReused()); socket.end(); });
              socket.on('close', () => left > 0 ? connect(left - 1) : console.log(reused.join()));
              socket.write('x');
            }
            connect(1);
            """);

        var output = await RunAsync("node", script);

        Assert.Equal("false,true", output.Trim());
        Assert.Equal([chain.Leaf.Thumbprint, chain.Leaf.Thumbprint], listener.Seen.Select(seen => seen?.Certificate.Thumbprint));
    }

    [Theory]
    [Conformance("security", 14)]
    [InlineData(System.Security.Authentication.SslProtocols.Tls12)]
    [InlineData(System.Security.Authentication.SslProtocols.Tls13)]
    public async Task Any_client_certificate_or_none_and_any_server_name_pass_the_handshake(System.Security.Authentication.SslProtocols version)
    {
        using var certificates = Open("localhost");
        await using var listener = new TlsListener(new ServerTls(certificates));
        using var chain = TestCertificates.CreateClientChain("dev1");
        using var expired = TestCertificates.CreateSelfSigned("dev1", _time.GetUtcNow().AddYears(-2), _time.GetUtcNow().AddYears(-1));

        var none = await listener.ConnectAsync("never.heard.of", version, null);
        var withChain = await listener.ConnectAsync("10.9.8.7", version, SslStreamCertificateContext.Create(chain.Leaf, [chain.Intermediate], offline: true));
        var late = await listener.ConnectAsync("localhost", version, SslStreamCertificateContext.Create(expired, [], offline: true));

        Assert.Null(none);
        Assert.Equal(chain.Leaf.Thumbprint, withChain!.Certificate.Thumbprint);
        Assert.Contains(chain.Intermediate.Thumbprint, withChain.Others.Select(other => other.Thumbprint));
        Assert.Equal(expired.Thumbprint, late!.Certificate.Thumbprint);
    }

    private ServerCertificates Open(params string[] names) => ServerCertificates.Open(
        new CertificateSettings { Directory = _folder, Names = names }, _time, NullLogger<ServerCertificates>.Instance);

    private static bool Verify(ServerCertificates certificates, string name)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(X509CertificateLoader.LoadCertificateFromFile(certificates.AuthorityFile!));
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        return chain.Build(certificates.Current.TargetCertificate) && certificates.Current.TargetCertificate.MatchesHostname(name);
    }

    private static async Task<string> RunAsync(string program, string arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(Patience);
        return await output + await error;
    }

    /// <summary>A TLS server that keeps nothing but what its clients sent of themselves.</summary>
    private sealed class TlsListener : IAsyncDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly CancellationTokenSource _stopping = new();
        private readonly ServerTls _tls;
        private readonly Task _accepting;
        private TaskCompletionSource<ClientCertificateFeature?> _next = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TlsListener(ServerTls tls)
        {
            _tls = tls;
            _listener.Start();
            _accepting = AcceptAsync();
        }

        public ConcurrentQueue<ClientCertificateFeature?> Seen { get; } = new();

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public async Task<ClientCertificateFeature?> ConnectAsync(
            string name, System.Security.Authentication.SslProtocols version, SslStreamCertificateContext? certificate)
        {
            _next = new TaskCompletionSource<ClientCertificateFeature?>(TaskCreationOptions.RunContinuationsAsynchronously);
            using var client = new TcpClient();
            await client.ConnectAsync(IPAddress.Loopback, Port);
            await using var stream = new SslStream(client.GetStream());
            await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = name,
                EnabledSslProtocols = version,
                ClientCertificateContext = certificate,
                RemoteCertificateValidationCallback = (_, shown, _, _) => shown is not null,
            });
            await stream.WriteAsync(new byte[1]);
            return await _next.Task.WaitAsync(Patience);
        }

        public async ValueTask DisposeAsync()
        {
            await _stopping.CancelAsync();
            await _accepting;
            _listener.Dispose();
            _stopping.Dispose();
        }

        private async Task AcceptAsync()
        {
            try
            {
                while (true)
                {
                    using var client = await _listener.AcceptTcpClientAsync(_stopping.Token);
                    await ServeAsync(client);
                }
            }
            catch (OperationCanceledException)
            {
                // Disposed of.
            }
        }

        private async Task ServeAsync(TcpClient client)
        {
            var features = new FeatureCollection();
            try
            {
                await using var stream = new SslStream(client.GetStream());
                await stream.AuthenticateAsServerAsync(_tls.CreateOptions(features));
                if (await stream.ReadAsync(new byte[1]) == 1)
                {
                    Seen.Enqueue(features.Get<ClientCertificateFeature>());
                    await stream.WriteAsync(new byte[1]);
                }

                _next.TrySetResult(features.Get<ClientCertificateFeature>());
                await stream.ReadAtLeastAsync(new byte[1], 1, throwOnEndOfStream: false);
            }
            catch (Exception e) when (e is IOException or CryptographicException or System.Security.Authentication.AuthenticationException)
            {
                _next.TrySetException(e);
            }
        }
    }
}
