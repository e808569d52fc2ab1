using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Nave.Mqtt;
using Nave.Protocol.Access;

namespace Nave.Conformance.Tests.Harness;

/// <summary>
/// A device that sends numbered telemetry over MQTT with TLS as fast as a window allows and remembers which numbers were
/// acknowledged: what a kill test holds the hub to.
/// </summary>
internal sealed class RawDevice(OutsideHub hub, string deviceConnectionString)
{
    private const int Window = 20;

    private readonly Dictionary<string, string> _fields =
        deviceConnectionString.Split(';').Select(field => field.Split('=', 2)).ToDictionary(field => field[0], field => field[1]);

    private readonly ConcurrentDictionary<ushort, int> _inFlight = new();
    private int _next;

    /// <summary>The device's id.</summary>
    public string Id => _fields["DeviceId"];

    /// <summary>Numbers whose PUBACK has arrived.</summary>
    public ConcurrentQueue<int> Acknowledged { get; } = new();

    /// <summary>Connects and sends until the connection is lost or the token is cancelled.</summary>
    public async Task SendUntilCutAsync(Action acknowledged, CancellationToken stopping)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Parse(hub.Address), 8883, stopping);
        await using var tls = new SslStream(new NetworkStream(socket, ownsSocket: false));
        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile(hub.CaFile);
        var chain = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        chain.CustomTrustStore.AddRange(roots);
        await tls.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions { TargetHost = hub.Address, CertificateChainPolicy = chain }, stopping);

        try
        {
            await ConnectAsync(tls, stopping);
            await SendAsync(tls, acknowledged, stopping);
        }
        catch (IOException)
        {
            // The kill.
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            // Enough.
        }

        _inFlight.Clear();
    }

    private async Task ConnectAsync(SslStream tls, CancellationToken stopping)
    {
        var token = SasToken.Mint(
            $"{hub.Address}/devices/{Id}", _fields["SharedAccessKey"], TimeProvider.System.GetUtcNow().AddHours(1));
        var output = new ArrayBufferWriter<byte>();
        new ConnectPacket
        {
            ClientId = Id,
            UserName = $"{hub.Address}/{Id}/?api-version=2021-04-12",
            Password = Encoding.UTF8.GetBytes(token),
            CleanSession = true,
            KeepAliveSeconds = 60,
        }.Write(output);
        await tls.WriteAsync(output.WrittenMemory, stopping);
        var answer = new byte[4];
        await tls.ReadExactlyAsync(answer, stopping);
        Assert.Equal([0x20, 2, answer[2], 0], answer);
    }

    private async Task SendAsync(SslStream tls, Action acknowledged, CancellationToken stopping)
    {
        var topic = Encoding.UTF8.GetBytes($"devices/{Id}/messages/events/");
        var output = new ArrayBufferWriter<byte>();
        var input = new byte[4096];
        var kept = 0;
        ushort packetId = 0;
        while (true)
        {
            output.Clear();
            while (_inFlight.Count < Window)
            {
                packetId = (ushort)((packetId % ushort.MaxValue) + 1);
                var number = _next++;
                _inFlight[packetId] = number;
                new PublishPacket
                {
                    Topic = topic,
                    PacketId = packetId,
                    Qos = 1,
                    Payload = new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes($"{number}")),
                }.Write(output, MqttVersion.V311);
            }

            await tls.WriteAsync(output.WrittenMemory, stopping);
            var count = await tls.ReadAsync(input.AsMemory(kept), stopping);
            if (count == 0)
            {
                return;
            }

            kept = Take(input, kept + count, acknowledged);
        }
    }

    private int Take(byte[] input, int length, Action acknowledged)
    {
        var unread = new ReadOnlySequence<byte>(input, 0, length);
        while (FrameReader.TryReadFrame(ref unread, 1024, out var frame))
        {
            var id = AckPacket.Read(frame, MqttVersion.V311).PacketId;
            Assert.True(_inFlight.TryRemove(id, out var number), $"PUBACK {id} for nothing that is in flight.");
            Acknowledged.Enqueue(number);
            acknowledged();
        }

        unread.ToArray().CopyTo(input, 0);
        return (int)unread.Length;
    }
}
