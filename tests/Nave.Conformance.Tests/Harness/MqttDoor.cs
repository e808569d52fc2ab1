using System.Buffers;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Nave.Mqtt;

namespace Nave.Conformance.Tests.Harness;

/// <summary>MQTT over TLS without a client library: what is written and read is up to the test.</summary>
internal static class MqttDoor
{
    /// <summary>Trusts the hub's authority and nothing else.</summary>
    public static X509ChainPolicy TrustOf(OutsideHub hub)
    {
        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile(hub.CaFile);
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(roots);
        return policy;
    }

    /// <summary>Opens TLS on 8883. The stream owns its socket.</summary>
    public static async Task<SslStream> OpenAsync(OutsideHub hub, CancellationToken stopping)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Parse(hub.Address), 8883, stopping);
        var tls = new SslStream(new NetworkStream(socket, ownsSocket: true));
        await tls.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions { TargetHost = hub.Address, CertificateChainPolicy = TrustOf(hub) }, stopping);
        return tls;
    }

    /// <summary>Connects a device and expects CONNACK 0.</summary>
    public static async Task ConnectAsync(OutsideHub hub, Stream tls, string device, string token, CancellationToken stopping)
    {
        var output = new ArrayBufferWriter<byte>();
        new ConnectPacket
        {
            ClientId = device,
            UserName = $"{hub.Address}/{device}/?api-version=2021-04-12",
            Password = Encoding.UTF8.GetBytes(token),
            CleanSession = true,
            KeepAliveSeconds = 60,
        }.Write(output);
        await tls.WriteAsync(output.WrittenMemory, stopping);
        var answer = new byte[4];
        await tls.ReadExactlyAsync(answer, stopping);
        Assert.Equal([0x20, 2, answer[2], 0], answer);
    }

    /// <summary>Sends a SUBSCRIBE.</summary>
    public static async Task WriteAsync(Stream tls, SubscribePacket packet, CancellationToken stopping)
    {
        var output = new ArrayBufferWriter<byte>();
        packet.Write(output, MqttVersion.V311);
        await tls.WriteAsync(output.WrittenMemory, stopping);
    }

    /// <summary>Reads packets, whatever they are, up to the first of that type.</summary>
    public static async Task ReadUntilAsync(Stream tls, PacketType type, CancellationToken stopping)
    {
        var head = new byte[1];
        while (true)
        {
            await tls.ReadExactlyAsync(head, stopping);
            var length = 0;
            var shift = 0;
            var digit = new byte[1];
            do
            {
                await tls.ReadExactlyAsync(digit, stopping);
                length |= (digit[0] & 0x7f) << shift;
                shift += 7;
            }
            while ((digit[0] & 0x80) != 0);

            await tls.ReadExactlyAsync(new byte[length], stopping);
            if (head[0] >> 4 == (int)type)
            {
                return;
            }
        }
    }
}
