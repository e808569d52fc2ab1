using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Nave.PskGateway.Keys;
using Nave.PskGateway.Limits;
using Nave.PskGateway.Tls;
using Org.BouncyCastle.Security;
using Org.BouncyCastle.Tls;
using Org.BouncyCastle.Tls.Crypto;
using Org.BouncyCastle.Tls.Crypto.Impl.BC;

namespace Nave.Bench.Scenarios;

/// <summary>
/// <c>psk</c>: what a handshake costs the gateway, beside one with an ECDSA certificate on the platform's TLS. Over
/// loopback, one after the other; the server's CPU is the process's without that of the client's thread.
/// </summary>
internal static class PskCommand
{
    private const string Identity = "device-1";
    private static readonly TlsCrypto Crypto = new BcTlsCrypto(new SecureRandom());

    public static Command Create()
    {
        var seconds = new Option<double>("--seconds") { Description = "how long each kind of handshake is measured", DefaultValueFactory = _ => 5 };
        var json = new Option<bool>("--json") { Description = "print JSON" };
        var command = new Command("psk", "what a TLS-PSK handshake costs beside one with a certificate") { seconds, json };
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
    internal static async Task<IReadOnlyList<HandshakeFigures>> RunAsync(TimeSpan duration, CancellationToken stopping)
    {
        var folder = Directory.CreateTempSubdirectory("nave-bench-psk-").FullName;
        try
        {
            await using var store = await PskStore.OpenAsync(
                Path.Combine(folder, "psk.db"), Path.Combine(folder, "keys", "master.key"), TimeProvider.System, NullLoggerFactory.Instance, stopping);
            var key = PskRules.Generate();
            await store.AddAsync(new NewPsk(Identity, PskRecord.Primary, null), key, stopping);
            var keyring = await PskKeyring.OpenAsync(store, null, TimeProvider.System, stopping);
            var context = new PskPeerContext(keyring, new HandshakeLimits(TimeProvider.System), IPAddress.Loopback, HideUnknownIdentity: true, AllowNonForwardSecret: true);
            using var certificate = CertificateOf(folder);
            var chain = SslStreamCertificateContext.Create(certificate, null);
            return
            [
                await MeasureAsync("PSK TLS 1.3 X25519", socket => AcceptPskAsync(socket, context), new PskClient(key, ProtocolVersion.TLSv13, CipherSuite.TLS_CHACHA20_POLY1305_SHA256), duration, stopping),
                await MeasureAsync("ECDHE-PSK TLS 1.2", socket => AcceptPskAsync(socket, context), new PskClient(key, ProtocolVersion.TLSv12, CipherSuite.TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256), duration, stopping),
                await MeasureAsync("plain PSK TLS 1.2", socket => AcceptPskAsync(socket, context), new PskClient(key, ProtocolVersion.TLSv12, CipherSuite.TLS_PSK_WITH_AES_128_GCM_SHA256), duration, stopping),
                await MeasureAsync("certificate TLS 1.3", socket => AcceptCertificateAsync(socket, chain, stopping), new CertificateClient(), duration, stopping),
            ];
        }
        finally
        {
            Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<HandshakeFigures> MeasureAsync(
        string what, Func<Socket, Task> accept, IHandshakeClient client, TimeSpan duration, CancellationToken stopping)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var clients = new TaskCompletionSource<HandshakeFigures>(TaskCreationOptions.RunContinuationsAsynchronously);
        var thread = new Thread(() =>
        {
            try
            {
                clients.SetResult(Shake(what, (IPEndPoint)listener.LocalEndPoint!, client, duration)); // Bound: it has one.
            }
            catch (Exception e)
            {
                clients.SetException(e);
            }
        })
        {
            IsBackground = true,
        };
        thread.Start();
        while (!clients.Task.IsCompleted)
        {
            var accepting = listener.AcceptAsync(stopping).AsTask();
            if (await Task.WhenAny(accepting, clients.Task) == accepting)
            {
                await accept(await accepting);
            }
            else
            {
                break;
            }
        }

        return await clients.Task;
    }

    private static HandshakeFigures Shake(string what, IPEndPoint server, IHandshakeClient client, TimeSpan duration)
    {
        var count = 0;
        var (all, own) = (TimeSpan.Zero, TimeSpan.Zero);
        var began = Stopwatch.GetTimestamp();
        while (count < 3 || Stopwatch.GetElapsedTime(began) < duration * 1.25)
        {
            if (count == 0 && Stopwatch.GetElapsedTime(began) >= duration * 0.25)
            {
                (all, own) = (Environment.CpuUsage.TotalTime, ThreadCpu()); // What came before was the warming up.
            }

            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            socket.Connect(server);
            client.Shake(socket);
            count += all > TimeSpan.Zero ? 1 : 0;
        }

        var (both, mine) = (Environment.CpuUsage.TotalTime - all, ThreadCpu() - own);
        return new HandshakeFigures(what, count, Math.Round(count / (both - mine).TotalSeconds, 1), Math.Round((both - mine).TotalMilliseconds / count, 3));
    }

    private static async Task AcceptPskAsync(Socket socket, PskPeerContext context)
    {
        await using var transport = new TlsSocket(socket, Crypto, context);
        if ((await transport.HandshakeAsync()).Owner is null)
        {
            throw new InvalidOperationException("The handshake was refused.");
        }
    }

    private static async Task AcceptCertificateAsync(Socket socket, SslStreamCertificateContext certificate, CancellationToken stopping)
    {
        await using var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
        await stream.AuthenticateAsServerAsync(
            new SslServerAuthenticationOptions { ServerCertificateContext = certificate, EnabledSslProtocols = SslProtocols.Tls13, AllowTlsResume = false }, stopping);
    }

    private static X509Certificate2 CertificateOf(string folder)
    {
        var files = PeerCertificate.Ensure(folder);
        return X509Certificate2.CreateFromPemFile(files.CertificateFile, files.KeyFile);
    }

    // Nanoseconds on a processor come first.
    private static TimeSpan ThreadCpu() =>
        TimeSpan.FromTicks(long.Parse(File.ReadAllText("/proc/thread-self/schedstat").Split(' ')[0], CultureInfo.InvariantCulture) / 100);

    private interface IHandshakeClient
    {
        void Shake(Socket socket);
    }

    private sealed class PskClient(byte[] key, ProtocolVersion version, int suite) : IHandshakeClient
    {
        public void Shake(Socket socket)
        {
            using var stream = new NetworkStream(socket);
            new TlsClientProtocol(stream).Connect(new Client(key, version, suite));
        }

        private sealed class Client(byte[] key, ProtocolVersion version, int suite)
            : PskTlsClient(PskCommand.Crypto, Encoding.ASCII.GetBytes(Identity), (byte[])key.Clone())
        {
            public override IList<TlsPskExternal>? GetExternalPsks() => ProtocolVersion.TLSv13.Equals(version)
                ? [new BasicTlsPskExternal(Encoding.ASCII.GetBytes(Identity), Crypto.CreateSecret((byte[])key.Clone()))]
                : null;

            protected override ProtocolVersion[] GetSupportedVersions() => version.Only();

            protected override int[] GetSupportedCipherSuites() => [suite];
        }
    }

    private sealed class CertificateClient : IHandshakeClient
    {
        public void Shake(Socket socket)
        {
            using var stream = new SslStream(new NetworkStream(socket));
            stream.AuthenticateAsClient(new SslClientAuthenticationOptions
            {
                TargetHost = "localhost",
                EnabledSslProtocols = SslProtocols.Tls13,
                AllowTlsResume = false,
                RemoteCertificateValidationCallback = static (_, shown, _, _) => shown is not null, // Made a moment ago by this process: only the handshake counts.
            });
        }
    }
}

/// <summary>What one kind of handshake costs the server.</summary>
internal sealed record HandshakeFigures(string Handshake, int Count, double PerCpuSecond, double ServerCpuMs)
{
    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture, $"{Handshake,-20} {PerCpuSecond,8:N1} handshakes per second of a core; {ServerCpuMs} ms of the server each ({Count:N0} done)");
}
