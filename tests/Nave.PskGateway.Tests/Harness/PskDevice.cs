using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Nave.Mqtt;
using Org.BouncyCastle.Security;
using Org.BouncyCastle.Tls;
using Org.BouncyCastle.Tls.Crypto;
using Org.BouncyCastle.Tls.Crypto.Impl.BC;

namespace Nave.PskGateway.Tests.Harness;

/// <summary>A device: BouncyCastle's client over a socket, and MQTT packets over it.</summary>
internal sealed class PskDevice : IDisposable
{
    public static readonly byte[] Key = [.. Enumerable.Range(1, 32).Select(i => (byte)i)];
    public static readonly byte[] OtherKey = [.. Enumerable.Range(101, 32).Select(i => (byte)i)];

    private static readonly TlsCrypto Crypto = new BcTlsCrypto(new SecureRandom());

    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly TlsClientProtocol _tls = new();
    private readonly Client _client;
    private byte[] _plain = [];
    private int _lastId;

    private PskDevice(Client client) => _client = client;

    /// <summary>The alert that the gateway sent, if one.</summary>
    public short? Alert => _client.Alert;

    public int Suite => _client.Suite;

    /// <summary>Connects and shakes hands; <see cref="Alert"/> says why not when it fails.</summary>
    public static async Task<(PskDevice Device, bool IsOpen)> TryOpenAsync(int port, bool isTls13, params (string Identity, byte[] Key)[] offers)
    {
        var device = new PskDevice(new Client(isTls13, offers));
        await device._socket.ConnectAsync(IPAddress.Loopback, port);
        device._socket.NoDelay = true;
        device._tls.Connect(device._client);
        await device.SendOutputAsync();
        while (device._tls.IsHandshaking)
        {
            if (!await device.ReceiveAsync())
            {
                return (device, false);
            }
        }

        await device.SendOutputAsync();
        return (device, true);
    }

    public static async Task<PskDevice> OpenAsync(int port, string identity = "dev", byte[]? key = null, bool isTls13 = true)
    {
        var (device, isOpen) = await TryOpenAsync(port, isTls13, (identity, key ?? Key));
        Assert.True(isOpen, $"The handshake failed with alert {device.Alert}.");
        return device;
    }

    /// <summary>With a CONNECT that must be accepted.</summary>
    public static async Task<PskDevice> ConnectAsync(int port, string identity = "dev", string? clientId = null)
    {
        var device = await OpenAsync(port, identity);
        Assert.Equal(0, await device.ConnectAsync(clientId ?? identity));
        return device;
    }

    /// <summary>Sends a CONNECT.</summary>
    /// <returns>The code of the answer.</returns>
    public async Task<int> ConnectAsync(string clientId, ushort keepAlive = 0, Will? will = null)
    {
        await SendAsync(output => new ConnectPacket { ClientId = clientId, CleanSession = true, KeepAliveSeconds = keepAlive, Will = will }.Write(output));
        return await ReadAsync(frame => ConnAckPacket.Read(frame, MqttVersion.V311).Code);
    }

    public async Task<ushort> PublishAsync(string topic, string body, byte qos = 1)
    {
        var id = qos == 0 ? (ushort)0 : (ushort)++_lastId;
        await SendAsync(output => new PublishPacket
        {
            Topic = Encoding.UTF8.GetBytes(topic),
            Payload = new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(body)),
            Qos = qos,
            PacketId = id,
        }.Write(output, MqttVersion.V311));
        return id;
    }

    public async Task<IReadOnlyList<int>> SubscribeAsync(string filter, byte qos = 1)
    {
        await SendAsync(output => new SubscribePacket { PacketId = (ushort)++_lastId, Subscriptions = [new Subscription(filter, qos)] }.Write(output, MqttVersion.V311));
        return await ReadAsync(frame => SubAckPacket.Read(frame, MqttVersion.V311).Reasons.Select(reason => (int)reason).ToList());
    }

    public Task<ushort> PubAckAsync() => ReadAsync(frame => AckPacket.Read(frame, MqttVersion.V311).PacketId);

    public Task<(string Topic, string Body, ushort PacketId)> MessageAsync() => ReadAsync(frame =>
    {
        var publish = PublishPacket.Read(frame, MqttVersion.V311);
        return (Encoding.UTF8.GetString(publish.Topic), Encoding.UTF8.GetString(publish.Payload.ToArray()), publish.PacketId);
    });

    public Task AcknowledgeAsync(ushort packetId) =>
        SendAsync(output => new AckPacket(packetId).Write(output, PacketType.PubAck, MqttVersion.V311));

    public async Task SendAsync(Action<IBufferWriter<byte>> write)
    {
        var packet = new ArrayBufferWriter<byte>();
        write(packet);
        _tls.WriteApplicationData(packet.WrittenSpan);
        await SendOutputAsync();
    }

    /// <summary>Waits for the end of the connection, with nothing before it.</summary>
    public async Task ExpectCloseAsync()
    {
        while (await ReceiveAsync())
        {
            Assert.Empty(_plain);
        }
    }

    public void Dispose() => _socket.Dispose();

    private async Task<T> ReadAsync<T>(Func<MqttFrame, T> read)
    {
        while (true)
        {
            var unread = new ReadOnlySequence<byte>(_plain);
            if (FrameReader.TryReadFrame(ref unread, 1 << 20, out var frame))
            {
                var value = read(frame);
                _plain = unread.ToArray();
                return value;
            }

            Assert.True(await ReceiveAsync(), "The gateway closed the connection instead of answering.");
        }
    }

    private async Task<bool> ReceiveAsync()
    {
        var buffer = new byte[1024]; // The socket keeps it.
        int count;
        try
        {
            count = await _socket.ReceiveAsync(buffer.AsMemory()).AsTask().WaitAsync(PskDesk.Patience);
        }
        catch (SocketException)
        {
            return false;
        }

        if (count == 0 || _tls.IsClosed)
        {
            return false;
        }

        try
        {
            _tls.OfferInput(buffer, 0, count);
        }
        catch (TlsFatalAlertReceived)
        {
            return false;
        }

        var plain = new byte[_tls.GetAvailableInputBytes()];
        _tls.ReadInput(plain, 0, plain.Length);
        _plain = [.. _plain, .. plain];
        await SendOutputAsync();
        return true;
    }

    private async Task SendOutputAsync()
    {
        var output = new byte[_tls.GetAvailableOutputBytes()];
        _tls.ReadOutput(output, 0, output.Length);
        var rest = output.AsMemory();
        while (!rest.IsEmpty)
        {
            rest = rest[await _socket.SendAsync(rest)..];
        }
    }

    private sealed class Client(bool isTls13, (string Identity, byte[] Key)[] offers)
        : PskTlsClient(PskDevice.Crypto, Encoding.UTF8.GetBytes(offers[0].Identity), offers[0].Key)
    {
        public short? Alert { get; private set; }

        public int Suite => m_context.SecurityParameters.CipherSuite;

        public override IList<TlsPskExternal>? GetExternalPsks() => isTls13
            ? [.. offers.Select(offer => (TlsPskExternal)new BasicTlsPskExternal(Encoding.UTF8.GetBytes(offer.Identity), Crypto.CreateSecret((byte[])offer.Key.Clone())))]
            : null;

        public override void NotifyAlertReceived(short alertLevel, short alertDescription)
        {
            base.NotifyAlertReceived(alertLevel, alertDescription);
            if (alertLevel == AlertLevel.fatal)
            {
                Alert = alertDescription;
            }
        }

        protected override ProtocolVersion[] GetSupportedVersions() => isTls13 ? ProtocolVersion.TLSv13.Only() : ProtocolVersion.TLSv12.Only();

        protected override int[] GetSupportedCipherSuites() => isTls13
            ? [CipherSuite.TLS_CHACHA20_POLY1305_SHA256, CipherSuite.TLS_AES_128_GCM_SHA256]
            : [CipherSuite.TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256];
    }
}
