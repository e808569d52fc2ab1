using System.Buffers;
using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using Nave.Cli.Hubs;
using Nave.Mqtt;
using Nave.Protocol.Access;

namespace Nave.Cli.Simulation;

/// <summary>
/// A device over a real MQTT connection with TLS, as the SDKs connect (spec/device-mqtt.md 2): sends telemetry with QoS 1
/// and measures how long each acknowledgement takes.
/// </summary>
internal sealed class SimulatedDevice : IAsyncDisposable
{
    private const int MaxPacketBytes = 64 * 1024;
    private const string ApiVersion = "2021-04-12";
    private const ushort KeepAliveSeconds = 240;
    private static readonly TimeSpan TokenLife = TimeSpan.FromHours(1);
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(30);

    private readonly string _id;
    private readonly TcpClient _socket;
    private readonly SslStream _stream;
    private readonly PipeReader _input;
    private readonly byte[] _topic;
    private readonly SimulationTally _tally;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<ushort, long> _waiting = new();
    private readonly TaskCompletionSource _allAcknowledged = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ArrayBufferWriter<byte> _packet = new();
    private ushort _lastPacketId;
    private volatile bool _isDraining;
    private Task? _reading;

    private SimulatedDevice(string id, TcpClient socket, SslStream stream, string topicSuffix, SimulationTally tally, TimeProvider time)
    {
        _id = id;
        _socket = socket;
        _stream = stream;
        _input = PipeReader.Create(stream);
        _topic = Encoding.UTF8.GetBytes($"devices/{id}/messages/events/{topicSuffix}");
        _tally = tally;
        _time = time;
    }

    /// <summary>Whether the connection still stands.</summary>
    public bool IsConnected => _reading is { IsCompleted: false };

    /// <summary>Connects with the device's own key.</summary>
    /// <exception cref="CommandFailedException">The hub refuses or cannot be reached.</exception>
    public static async Task<SimulatedDevice> ConnectAsync(
        HubTarget hub, string id, string key, string topicSuffix, SimulationTally tally, TimeProvider time, CancellationToken stopping)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        deadline.CancelAfter(ConnectTimeout);
        var socket = new TcpClient { NoDelay = true };
        SslStream? stream = null;
        try
        {
            await socket.ConnectAsync(hub.Host, hub.MqttsPort, deadline.Token);
            stream = new SslStream(socket.GetStream());
            await stream.AuthenticateAsClientAsync(Trust.ClientOptions(hub.Host, hub.CaCertificate), deadline.Token);
            var device = new SimulatedDevice(id, socket, stream, topicSuffix, tally, time);
            await device.SayHelloAsync(hub.Service.Host, key, deadline.Token);
            device._reading = device.ReadAcknowledgementsAsync();
            tally.DeviceConnected();
            return device;
        }
        catch (Exception e) when (e is SocketException or IOException or AuthenticationException or OperationCanceledException or MalformedPacketException)
        {
            await CloseAsync(stream, socket);
            stopping.ThrowIfCancellationRequested();
            throw new CommandFailedException(
                e is OperationCanceledException ? "no connection within 30 s" : $"cannot connect to {hub.Host}:{hub.MqttsPort}: {e.Message}");
        }
        catch
        {
            await CloseAsync(stream, socket);
            throw;
        }
    }

    /// <summary>Sends one message; used by one caller at a time.</summary>
    /// <returns>False when the connection is gone.</returns>
    public async ValueTask<bool> SendAsync(ReadOnlyMemory<byte> body, CancellationToken stopping)
    {
        do
        {
            _lastPacketId = _lastPacketId is ushort.MaxValue ? (ushort)1 : (ushort)(_lastPacketId + 1);
        }
        while (_waiting.ContainsKey(_lastPacketId));

        _packet.ResetWrittenCount();
        new PublishPacket { Topic = _topic, PacketId = _lastPacketId, Qos = 1, Payload = new ReadOnlySequence<byte>(body) }.Write(_packet, MqttVersion.V311);
        _waiting[_lastPacketId] = _time.GetTimestamp();
        try
        {
            await _stream.WriteAsync(_packet.WrittenMemory, stopping);
            _tally.MessageSent();
            return true;
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            _waiting.TryRemove(_lastPacketId, out _);
            return false;
        }
    }

    /// <summary>Waits until everything is acknowledged or the connection is gone.</summary>
    public async Task DrainAsync(CancellationToken stopping)
    {
        _isDraining = true;
        if (!_waiting.IsEmpty && _reading is { } reading)
        {
            await Task.WhenAny(_allAcknowledged.Task, reading).WaitAsync(stopping);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await _stream.WriteAsync(new byte[] { 0xE0, 0 }); // DISCONNECT
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // Gone already.
        }

        await _stream.DisposeAsync();
        _socket.Dispose();
        if (_reading is { } reading)
        {
            await reading;
            _tally.DeviceGone();
        }
    }

    private static async Task CloseAsync(SslStream? stream, TcpClient socket)
    {
        if (stream is not null)
        {
            await stream.DisposeAsync();
        }

        socket.Dispose();
    }

    private async Task SayHelloAsync(string host, string key, CancellationToken deadline)
    {
        var token = SasToken.Mint($"{host}/devices/{_id}", key, _time.GetUtcNow() + TokenLife);
        new ConnectPacket
        {
            ClientId = _id,
            CleanSession = true,
            KeepAliveSeconds = KeepAliveSeconds,
            UserName = $"{host}/{_id}/?api-version={ApiVersion}&DeviceClientType={Uri.EscapeDataString("nave-simulate")}",
            Password = Encoding.UTF8.GetBytes(token),
        }.Write(_packet);
        await _stream.WriteAsync(_packet.WrittenMemory, deadline);
        while (true)
        {
            var read = await _input.ReadAsync(deadline);
            var unread = read.Buffer;
            if (FrameReader.TryReadFrame(ref unread, MaxPacketBytes, out var frame))
            {
                var answer = ConnAckPacket.Read(frame, MqttVersion.V311);
                _input.AdvanceTo(unread.Start);
                if (answer.Code != 0)
                {
                    throw new CommandFailedException($"connect refused: {answer.ReturnCode}");
                }

                return;
            }

            _input.AdvanceTo(unread.Start, unread.End);
            if (read.IsCompleted)
            {
                throw new CommandFailedException("the hub closed the connection instead of answering CONNECT");
            }
        }
    }

    private async Task ReadAcknowledgementsAsync()
    {
        try
        {
            while (true)
            {
                var read = await _input.ReadAsync();
                var unread = read.Buffer;
                while (FrameReader.TryReadFrame(ref unread, MaxPacketBytes, out var frame))
                {
                    if (frame.Type is PacketType.PubAck)
                    {
                        Acknowledge(AckPacket.Read(frame, MqttVersion.V311).PacketId);
                    }
                }

                _input.AdvanceTo(unread.Start, unread.End);
                if (read.IsCompleted)
                {
                    break;
                }
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or MalformedPacketException or InvalidOperationException)
        {
            // The connection is gone: what waits for an acknowledgement stays unacknowledged, and is counted so.
        }
    }

    private void Acknowledge(ushort packetId)
    {
        if (_waiting.TryRemove(packetId, out var sentAt))
        {
            _tally.MessageAcknowledged(_time.GetElapsedTime(sentAt));
        }

        if (_isDraining && _waiting.IsEmpty)
        {
            _allAcknowledged.TrySetResult();
        }
    }
}
