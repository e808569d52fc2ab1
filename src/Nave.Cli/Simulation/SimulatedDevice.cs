using System.Buffers;
using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Net.WebSockets;
using System.Text;
using Nave.Cli.Hubs;
using Nave.Mqtt;
using Nave.Protocol.Access;

namespace Nave.Cli.Simulation;

/// <summary>
/// A device over a real MQTT connection with TLS or WebSocket, as the SDKs connect (spec/device-mqtt.md 2): sends telemetry
/// with QoS 1, measures how long each acknowledgement takes, and completes commands and answers direct methods if it is to.
/// </summary>
internal sealed class SimulatedDevice : ISimulatedDevice
{
    // The largest method with its topic.
    private const int MaxPacketBytes = 256 * 1024;
    private const string ApiVersion = "2021-04-12";
    private const string TelemetryProperties = "%24.ct=application%2Fjson&%24.ce=utf-8&source=simulate";
    private const ushort KeepAliveSeconds = 240;
    private static readonly TimeSpan TokenLife = TimeSpan.FromHours(1);

    private readonly string _id;
    private readonly DeviceSetup _setup;
    private readonly Stream _stream;
    private readonly PipeReader _input;
    private readonly byte[] _topic;
    private readonly SimulationTally _tally;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<ushort, long> _waiting = new();
    private readonly TaskCompletionSource _allAcknowledged = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ArrayBufferWriter<byte> _packet = new();

    // A stream takes one write at a time: telemetry and the acknowledgements of commands meet here.
    private readonly SemaphoreSlim _writing = new(1, 1);
    private ushort _lastPacketId;
    private volatile bool _isDraining;
    private Task? _reading;

    private SimulatedDevice(DeviceSetup setup, string id, Stream stream)
    {
        _id = id;
        _setup = setup;
        _stream = stream;
        _input = PipeReader.Create(stream);
        _topic = Encoding.UTF8.GetBytes($"devices/{id}/messages/events/{TelemetryProperties}");
        _tally = setup.Tally;
        _time = setup.Time;
    }

    /// <inheritdoc/>
    public bool IsConnected => _reading is { IsCompleted: false };

    /// <summary>Connects with the device's own key.</summary>
    public static async Task<SimulatedDevice> ConnectAsync(DeviceSetup setup, string id, string key, CancellationToken deadline)
    {
        var hub = setup.Hub;
        var stream = await (setup.Protocol is SimulatedProtocol.MqttWs
            ? HubStreams.OpenWebSocketAsync(hub, "mqtt", deadline)
            : HubStreams.OpenTlsAsync(hub, hub.MqttsPort, deadline));
        try
        {
            var device = new SimulatedDevice(setup, id, stream);
            await device.SayHelloAsync(hub.Service.Host, key, deadline);
            if (setup.AnswersCommands || setup.AnswersMethods)
            {
                await device.SubscribeAsync(deadline);
            }

            device._reading = device.ReadAsync();
            setup.Tally.DeviceConnected();
            return device;
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
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
            await WriteAsync(_packet.WrittenMemory, stopping);
            _tally.MessageSent();
            return true;
        }
        catch (Exception e) when (IsGone(e))
        {
            _waiting.TryRemove(_lastPacketId, out _);
            return false;
        }
    }

    /// <inheritdoc/>
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
            await WriteAsync(new byte[] { 0xE0, 0 }, CancellationToken.None); // DISCONNECT
        }
        catch (Exception e) when (IsGone(e))
        {
            // Gone already.
        }

        await _stream.DisposeAsync();
        if (_reading is { } reading)
        {
            await reading;
            _tally.DeviceGone();
        }
    }

    private static bool IsGone(Exception e) => e is IOException or ObjectDisposedException or WebSocketException or InvalidOperationException;

    private async ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken stopping)
    {
        await _writing.WaitAsync(stopping);
        try
        {
            await _stream.WriteAsync(bytes, stopping);
        }
        finally
        {
            _writing.Release();
        }
    }

    // SUBACK comes among the rest: what is granted shows in what is delivered.
    private async Task SubscribeAsync(CancellationToken deadline)
    {
        _packet.ResetWrittenCount();
        List<Subscription> filters = [];
        if (_setup.AnswersCommands)
        {
            filters.Add(new($"devices/{_id}/messages/devicebound/#", 1));
        }

        if (_setup.AnswersMethods)
        {
            filters.Add(new("$iothub/methods/POST/#", 0));
        }

        new SubscribePacket { PacketId = 1, Subscriptions = filters }.Write(_packet, MqttVersion.V311);
        await WriteAsync(_packet.WrittenMemory, deadline);
    }

    private async Task SayHelloAsync(string host, string key, CancellationToken deadline)
    {
        var token = SasToken.Mint($"{host}/devices/{_id}", key, _time.GetUtcNow() + TokenLife);
        new ConnectPacket
        {
            ClientId = _id,
            CleanSession = true,
            KeepAliveSeconds = KeepAliveSeconds,
            UserName = $"{host}/{_id}/?api-version={ApiVersion}&DeviceClientType=nave-simulate",
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

    private async Task ReadAsync()
    {
        try
        {
            while (true)
            {
                var read = await _input.ReadAsync();
                var unread = read.Buffer;
                while (FrameReader.TryReadFrame(ref unread, MaxPacketBytes, out var frame))
                {
                    switch (frame.Type)
                    {
                        case PacketType.PubAck:
                            Acknowledge(AckPacket.Read(frame, MqttVersion.V311).PacketId);
                            break;
                        case PacketType.Publish:
                            await HandlePublishAsync(frame);
                            break;
                        default:
                            break; // SUBACK.
                    }
                }

                _input.AdvanceTo(unread.Start, unread.End);
                if (read.IsCompleted)
                {
                    break;
                }
            }
        }
        catch (Exception e) when (IsGone(e) || e is MalformedPacketException)
        {
            // The connection is gone: what waits for an acknowledgement stays unacknowledged, and is counted so.
        }
    }

    // Commands come at QoS 1, direct methods at QoS 0.
    private ValueTask HandlePublishAsync(in MqttFrame frame)
    {
        var publish = PublishPacket.Read(frame, MqttVersion.V311);
        return publish.Qos is 1 ? CompleteAsync(publish.PacketId)
            : publish.Topic.StartsWith("$iothub/methods/POST/"u8) && publish.Topic.IndexOf("/?$rid="u8) is var at and > 0
                ? AnswerAsync([.. "$iothub/methods/res/200"u8, .. publish.Topic[at..]], publish.Payload.ToArray())
            : ValueTask.CompletedTask;
    }

    // What it was given comes back: enough to see that it arrives.
    private async ValueTask AnswerAsync(byte[] topic, byte[] payload)
    {
        var answer = new ArrayBufferWriter<byte>();
        new PublishPacket { Topic = topic, Payload = new ReadOnlySequence<byte>(payload) }.Write(answer, MqttVersion.V311);
        await WriteAsync(answer.WrittenMemory, CancellationToken.None);
        _tally.MethodAnswered();
    }

    private async ValueTask CompleteAsync(ushort packetId)
    {
        var acknowledgement = new byte[AckPacket.ShortBytes];
        AckPacket.WritePubAck(acknowledgement, packetId);
        await WriteAsync(acknowledgement, CancellationToken.None);
        _tally.CommandAnswered();
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
