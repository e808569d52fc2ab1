using System.Buffers;
using System.IO.Pipelines;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using Nave.Mqtt;

namespace TokenDevice;

/// <summary>One MQTT connection of the device: user name and password as Azure IoT Hub wants them, messages with QoS 1.</summary>
internal sealed class MqttDevice : IAsyncDisposable
{
    private const int MqttsPort = 8883;
    private const int LongestPacket = 64 * 1024;

    private readonly SslStream _stream;
    private readonly PipeReader _input;
    private readonly string _topic;
    private ushort _lastPacketId;

    private MqttDevice(SslStream stream, string deviceId)
    {
        _stream = stream;
        _input = PipeReader.Create(stream);
        _topic = $"devices/{deviceId}/messages/events/";
    }

    /// <summary>Connects with the token as the password.</summary>
    public static async Task<MqttDevice> ConnectAsync(IssuedToken token, SslClientAuthenticationOptions tls, CancellationToken stopping)
    {
        var socket = new TcpClient();
        await socket.ConnectAsync(token.HostName, MqttsPort, stopping);
        var stream = new SslStream(socket.GetStream());
        await stream.AuthenticateAsClientAsync(tls, stopping);
        var device = new MqttDevice(stream, token.DeviceId);
        var hello = new ArrayBufferWriter<byte>();
        new ConnectPacket
        {
            ClientId = token.DeviceId,
            KeepAliveSeconds = 240,
            UserName = $"{token.HostName}/{token.DeviceId}/?api-version=2021-04-12",
            Password = Encoding.UTF8.GetBytes(token.Token),
        }.Write(hello);
        await stream.WriteAsync(hello.WrittenMemory, stopping);
        var code = await device.ReadAsync(frame => frame.Type is PacketType.ConnAck ? ConnAckPacket.Read(frame, MqttVersion.V311).Code : null, stopping);
        return code == 0 ? device : throw new IOException($"The hub refused the connection with {(ConnectReturnCode)code}.");
    }

    /// <summary>Sends a message and waits until the hub has it on disk.</summary>
    public async Task SendAsync(string body, CancellationToken stopping)
    {
        var id = ++_lastPacketId == 0 ? ++_lastPacketId : _lastPacketId;
        var packet = new ArrayBufferWriter<byte>();
        new PublishPacket
        {
            Topic = Encoding.UTF8.GetBytes(_topic),
            PacketId = id,
            Qos = 1,
            Payload = new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(body)),
        }.Write(packet, MqttVersion.V311);
        await _stream.WriteAsync(packet.WrittenMemory, stopping);
        await ReadAsync(frame => frame.Type is PacketType.PubAck && AckPacket.Read(frame, MqttVersion.V311).PacketId == id ? id : null, stopping);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _stream.DisposeAsync();

    // Reads on until a packet is the one that is waited for.
    private async Task<int> ReadAsync(Func<MqttFrame, int?> find, CancellationToken stopping)
    {
        while (true)
        {
            var read = await _input.ReadAsync(stopping);
            var unread = read.Buffer;
            int? found = null;
            while (found is null && FrameReader.TryReadFrame(ref unread, LongestPacket, out var frame))
            {
                found = find(frame);
            }

            _input.AdvanceTo(unread.Start, read.Buffer.End);
            if (found is { } value)
            {
                return value;
            }

            if (read.IsCompleted)
            {
                throw new IOException("The hub closed the connection.");
            }
        }
    }
}
