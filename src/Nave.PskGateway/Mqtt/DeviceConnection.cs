using System.Buffers;
using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using System.Threading.Channels;
using Nave.Mqtt;
using Nave.Protocol;
using Nave.Protocol.Identities;
using Nave.Protocol.Messages;
using Nave.PskGateway.Keys;
using Nave.PskGateway.Tls;
using Nave.PskGateway.Upstream;

namespace Nave.PskGateway.Mqtt;

/// <summary>
/// One device after its handshake: MQTT 3.1.1 towards it, <see cref="IHubDevice"/> towards the hub. A PUBACK follows the
/// hub's <c>accepted</c>, in the order of the PUBLISH packets; a command is completed after the device's PUBACK. Keeps
/// nothing beyond the connection: no sessions, no queues; what waits, waits in the hub.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The source holds neither timer nor handle, and a late Close may still come.")]
internal sealed class DeviceConnection : IHubDeviceEvents
{
    // Messages that the hub has not answered yet, and their bytes: four of the largest. Reading stops meanwhile.
    private const int Window = 100;
    private const long MaxHeldBytes = 4 * HubLimits.MaxTelemetryBytes;

    // As many commands unacknowledged as the hub itself lets an MQTT device have (spec/device-mqtt.md 6 rule 9).
    private const int CommandWindow = 50;
    private const int MaxPacketBytes = HubLimits.MaxTelemetryBytes + ushort.MaxValue + 16;
    private const int Open = -1;

    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(HubLimits.AuthenticationTimeoutSeconds);
    private static readonly TimeSpan HubTimeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LongestSilence = TimeSpan.FromSeconds(HubLimits.MaxKeepAliveTimeoutSeconds);

    private readonly TlsSocket _transport;
    private readonly DeviceConnectionContext _context;
    private readonly Channel<PendingAnswer> _pending = Channel.CreateBounded<PendingAnswer>(new BoundedChannelOptions(Window) { SingleReader = true });
    private readonly ConcurrentDictionary<ushort, string> _commands = new();
    private readonly Dictionary<string, DeviceFeeds> _filters = new(StringComparer.Ordinal);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _closing = new();
    private IHubDevice? _device;
    private Will? _will;
    private DeviceFeeds _feeds;
    private int _commandQos;
    private int _lastPacketId;
    private int _ending = Open;
    private TimeSpan _silence = ConnectTimeout;
    private long _heardAt;
    private bool _isWaiting;
    private long _heldBytes;
    private Task<DeviceEnding?> _lastSend = Task.FromResult<DeviceEnding?>(null);

    public DeviceConnection(TlsSocket transport, PskOwner owner, DeviceConnectionContext context)
    {
        _transport = transport;
        _context = context;
        Owner = owner;
        _heardAt = context.Time.GetTimestamp();
    }

    /// <summary>Whom the key proved.</summary>
    public PskOwner Owner { get; }

    /// <summary>Completes when nothing of the connection is left, at the hub neither.</summary>
    public Task Ended => _ended.Task;

    /// <summary>What the hub said when it refused something.</summary>
    public string? Detail { get; private set; }

    private DeviceId Device => Owner.Device;

    /// <summary>Runs until either side ends the connection. Throws for nothing that the peer or the hub can cause.</summary>
    public async Task<DeviceEnding> RunAsync()
    {
        var answering = Task.CompletedTask;
        var reason = DeviceEnding.PeerClosed;
        try
        {
            var ending = await AcceptAsync();
            if (ending is null)
            {
                answering = AnswerAsync();
                ending = await ReadAsync();
            }

            reason = ending.Value;
        }
        catch (MalformedPacketException e)
        {
            Detail = e.Rule;
            reason = DeviceEnding.ProtocolViolation;
        }
        catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // A reset is how devices usually leave.
        }

        await FinishAnswersAsync(answering, reason);
        return Ending ?? reason;
    }

    /// <summary>Leaves the hub, with the will where it is due.</summary>
    public async Task FinishAsync(DeviceEnding ending)
    {
        try
        {
            if (_device is { } device)
            {
                if (_will is { } will && ending is not (DeviceEnding.Disconnected or DeviceEnding.NotAllowed or DeviceEnding.HubLost or DeviceEnding.KeyRevoked))
                {
                    await SendWillAsync(device, will);
                }

                await device.DisposeAsync();
            }
        }
        finally
        {
            _ended.TrySetResult();
        }
    }

    /// <summary>Ends the connection; the first reason stands. Any thread.</summary>
    public void Close(DeviceEnding ending)
    {
        if (Interlocked.CompareExchange(ref _ending, (int)ending, Open) is Open)
        {
            _closing.Cancel();
            _transport.Abort();
        }
    }

    /// <summary>Ends the connection when the device has been silent for too long. For the gateway's sweep.</summary>
    public void CloseIfSilent()
    {
        if (!Volatile.Read(ref _isWaiting) && _context.Time.GetElapsedTime(Volatile.Read(ref _heardAt)) > _silence)
        {
            Close(DeviceEnding.Silent);
        }
    }

    /// <inheritdoc/>
    public void Command(HubCommand command)
    {
        var bag = PropertyBag.WriteCommand(command.Properties, command.Acknowledgement);
        var topic = _context.Topics.Down(DeviceFeeds.Commands, Device, new Dictionary<string, string> { ["properties"] = bag }) ?? HubTopics.Command(Device, bag);
        if (!TryEncode(topic, out var bytes))
        {
            _ = SettleAsync(command.Token, CommandOutcome.Reject); // No topic is so long: it could never be delivered.
        }
        else if (_commandQos == 0)
        {
            Publish(bytes, command.Body, 0);
            _ = SettleAsync(command.Token, CommandOutcome.Complete);
        }
        else
        {
            var packetId = NextPacketId();
            _commands[packetId] = command.Token;
            Publish(bytes, command.Body, packetId);
        }
    }

    /// <inheritdoc/>
    public void DesiredChanged(ReadOnlyMemory<byte> patch, long version)
    {
        if (_feeds.HasFlag(DeviceFeeds.Desired))
        {
            Publish(
                _context.Topics.Down(DeviceFeeds.Desired, Device, new Dictionary<string, string> { ["version"] = Text(version) }) ?? HubTopics.Desired(version),
                patch);
        }
    }

    /// <inheritdoc/>
    public void MethodCalled(HubMethodCall call)
    {
        // A device that leaves unread what it is sent gets no more of it: the caller learns by the time that he gave.
        if (!_transport.IsCongested)
        {
            var values = new Dictionary<string, string> { ["method"] = call.Name, ["rid"] = call.RequestId };
            Publish(_context.Topics.Down(DeviceFeeds.Methods, Device, values) ?? HubTopics.Method(call.Name, call.RequestId), call.Payload);
        }
    }

    /// <inheritdoc/>
    public void Closed(HubClosing reason) => Close(reason switch
    {
        HubClosing.NotAllowed => DeviceEnding.NotAllowed,
        HubClosing.TakenOver => DeviceEnding.TakenOver,
        HubClosing.Stopping => DeviceEnding.GatewayStopping,
        _ => DeviceEnding.HubLost,
    });

    // What a device sent before it left still reaches the hub, if that answers; who broke a rule has no such claim.
    private async Task FinishAnswersAsync(Task answering, DeviceEnding reason)
    {
        _pending.Writer.TryComplete();
        if (reason is not (DeviceEnding.Disconnected or DeviceEnding.PeerClosed))
        {
            await _closing.CancelAsync();
        }

        using var timer = _context.Time.CreateTimer(static source => ((CancellationTokenSource)source!).Cancel(), _closing, HubTimeout, Timeout.InfiniteTimeSpan);
        await answering;
    }

    private DeviceEnding? Ending => Volatile.Read(ref _ending) is var ending and not Open ? (DeviceEnding)ending : null;

    // The CONNECT, whole, within its bounds; then the hub's word; then the answer.
    private async Task<DeviceEnding?> AcceptAsync()
    {
        var connect = await ReadConnectAsync();
        if (connect is null)
        {
            return DeviceEnding.ProtocolViolation;
        }

        if (!IsClientIdRight(connect))
        {
            Detail = "the client id is not the device id";
            ConnAck(ConnectReturnCode.IdentifierRejected);
            return DeviceEnding.ClientIdRefused;
        }

        if (connect.Will is { } will && ReadPublish(Encoding.UTF8.GetBytes(will.Topic)).Kind is not DevicePublishKind.Telemetry)
        {
            Detail = "the will is no telemetry of this device";
            ConnAck(ConnectReturnCode.NotAuthorized);
            return DeviceEnding.ProtocolViolation;
        }

        Volatile.Write(ref _isWaiting, true);
        await _context.TakePlaceAsync(this);
        using var timeout = new CancellationTokenSource(HubTimeout, _context.Time);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token, timeout.Token);
        HubOpening opening;
        try
        {
            opening = await _context.Upstream.OpenAsync(Device, this, deadline.Token);
        }
        catch (OperationCanceledException) when (!_closing.IsCancellationRequested)
        {
            opening = new HubOpening(null, HubRefusal.Unreachable, "the hub did not answer in time");
        }

        _device = opening.Device;
        if (_device is null)
        {
            Detail = opening.Detail;
            var isRefused = opening.Refusal is HubRefusal.NotAllowed;
            ConnAck(isRefused ? ConnectReturnCode.NotAuthorized : ConnectReturnCode.ServerUnavailable);
            return isRefused ? DeviceEnding.NotAllowed : DeviceEnding.HubLost;
        }

        _will = connect.Will;
        _silence = connect.KeepAliveSeconds is 0 ? LongestSilence
            : TimeSpan.FromSeconds(Math.Min(connect.KeepAliveSeconds * 1.5, LongestSilence.TotalSeconds));
        ConnAck(ConnectReturnCode.Accepted);
        Heard();
        return null;
    }

    private async Task<ConnectPacket?> ReadConnectAsync()
    {
        while (true)
        {
            var unread = _transport.Unread;
            if (!unread.IsEmpty && unread.FirstSpan[0] is not ((byte)PacketType.Connect << 4))
            {
                Detail = "the first packet is no CONNECT";
                return null;
            }

            if (FrameReader.TryReadFrame(ref unread, HubLimits.MaxConnectBytes, out var frame))
            {
                var connect = ReadConnect(frame);
                _transport.Consume(_transport.Unread.Length - unread.Length);
                return connect;
            }

            if (!await _transport.ReadAsync())
            {
                throw new IOException("The device left before its CONNECT.");
            }
        }
    }

    private ConnectPacket? ReadConnect(in MqttFrame frame)
    {
        var protocol = ConnectProtocol.Read(frame);
        if (protocol is { Name: "MQTT", Level: (byte)MqttVersion.V311 })
        {
            return ConnectPacket.Read(frame);
        }

        Detail = "the protocol level is not served; MQTT 3.1.1 is";
        if (protocol is { Name: "MQTT", Level: (byte)MqttVersion.V5 })
        {
            Send(output => new ConnAckPacket { Code = (byte)ReasonCode.UnsupportedProtocolVersion }.Write(output, MqttVersion.V5));
        }
        else
        {
            ConnAck(ConnectReturnCode.UnacceptableProtocolVersion);
        }

        return null;
    }

    // spec/tls-psk.md 5: the client id equals the device id, unless the operator leaves it open.
    private bool IsClientIdRight(ConnectPacket connect) =>
        _context.AnyClientId || connect.ClientId == Device.Value || (connect.ClientId.Length == 0 && connect.CleanSession);

    private async Task<DeviceEnding> ReadAsync()
    {
        while (true)
        {
            while (TryReadFrame(out var frame, out var length))
            {
                var ending = await HandleAsync(frame);
                if (ending is not null)
                {
                    return ending.Value;
                }

                _transport.Consume(length);
            }

            if (!await _transport.ReadAsync())
            {
                return DeviceEnding.PeerClosed;
            }

            Heard();
        }
    }

    private bool TryReadFrame(out MqttFrame frame, out long length)
    {
        var unread = _transport.Unread;
        var before = unread.Length;
        var isWhole = FrameReader.TryReadFrame(ref unread, MaxPacketBytes, out frame);
        length = before - unread.Length;
        return isWhole;
    }

    private ValueTask<DeviceEnding?> HandleAsync(in MqttFrame frame)
    {
        switch (frame.Type)
        {
            case PacketType.Publish:
                return HandlePublishAsync(PublishPacket.Read(frame, MqttVersion.V311));
            case PacketType.PubAck:
                if (_commands.TryRemove(AckPacket.Read(frame, MqttVersion.V311).PacketId, out var token))
                {
                    _ = SettleAsync(token, CommandOutcome.Complete);
                }

                return default;
            case PacketType.Subscribe:
                return HandleSubscribeAsync(SubscribePacket.Read(frame, MqttVersion.V311));
            case PacketType.Unsubscribe:
                return HandleUnsubscribeAsync(UnsubscribePacket.Read(frame, MqttVersion.V311));
            case PacketType.PingReq:
                Send(static output => PingPacket.WriteResponse(output));
                return default;
            case PacketType.Disconnect:
                return new(DeviceEnding.Disconnected);
            default:
                Detail = $"{frame.Type} has no place here";
                return new(DeviceEnding.ProtocolViolation);
        }
    }

    private ValueTask<DeviceEnding?> HandlePublishAsync(in PublishPacket publish)
    {
        if (publish.Qos is 2)
        {
            Detail = "PUBLISH with QoS 2"; // spec/device-mqtt.md 3 rule 4.
            return new(DeviceEnding.ProtocolViolation);
        }

        var intent = ReadPublish(publish.Topic);
        var body = intent.Kind is DevicePublishKind.None ? [] : publish.Payload.ToArray();
        switch (intent.Kind)
        {
            case DevicePublishKind.Telemetry:
                return HoldAsync(publish.PacketId, Retained(intent.Properties!, publish.Retain), body); // Not null for this kind.
            case DevicePublishKind.TwinGet:
                return PendAsync(publish.PacketId, GetTwinAsync(intent.RequestId!));
            case DevicePublishKind.TwinPatch:
                return PendAsync(publish.PacketId, PatchAsync(intent.RequestId!, body));
            case DevicePublishKind.MethodResult:
                return PendAsync(publish.PacketId, AnswerMethodAsync(intent, body));
        }

        _context.Signals.Unmapped(Owner, publish.Topic);
        if (!_context.DropUnmapped)
        {
            Detail = "a topic that is neither the hub's nor in the table";
            return new(DeviceEnding.ProtocolViolation);
        }

        return PendAsync(publish.PacketId, Task.FromResult<DeviceEnding?>(null));
    }

    private DevicePublish ReadPublish(ReadOnlySpan<byte> topic) =>
        HubTopics.Read(Device, _context.Topics.Up(Device, topic) ?? topic);

    // Reads nothing further while the window is full: that is the back-pressure.
    private async ValueTask<DeviceEnding?> PendAsync(ushort packetId, Task<DeviceEnding?> answer)
    {
        var pending = new PendingAnswer(packetId, OutcomeAsync(answer));
        if (!_pending.Writer.TryWrite(pending))
        {
            Volatile.Write(ref _isWaiting, true);
            await _pending.Writer.WriteAsync(pending, _closing.Token);
            Heard();
        }

        return null;
    }

    // Bodies that wait for their turn at the hub are outside the pool's bound: a device holds few bytes of them, and is
    // not read from meanwhile.
    private async ValueTask<DeviceEnding?> HoldAsync(ushort packetId, MessageProperties properties, byte[] body)
    {
        if (Interlocked.Read(ref _heldBytes) is > 0 and var held && held + body.Length > MaxHeldBytes)
        {
            Volatile.Write(ref _isWaiting, true);
            await OutcomeAsync(_lastSend).WaitAsync(_closing.Token);
            Heard();
        }

        Interlocked.Add(ref _heldBytes, body.Length);
        _lastSend = SendTelemetryAsync(properties, body);
        return await PendAsync(packetId, _lastSend);
    }

    // Never faults: whoever waits for it is told how the connection ends.
    private async Task<DeviceEnding?> OutcomeAsync(Task<DeviceEnding?> answer)
    {
        try
        {
            return await answer;
        }
        catch (OperationCanceledException)
        {
            return DeviceEnding.HubLost;
        }
        catch (Exception e) // A broken promise of ours costs this connection, which would wait for ever.
        {
            Detail = e.Message;
            return DeviceEnding.HubLost;
        }
    }

    private async Task AnswerAsync()
    {
        await foreach (var (packetId, answer) in _pending.Reader.ReadAllAsync(CancellationToken.None))
        {
            if (await answer is { } ending)
            {
                Close(ending); // Without a PUBACK: the device sends it again when it is back.
            }
            else if (packetId is not 0 && Ending is null)
            {
                Send(output => new AckPacket(packetId).Write(output, PacketType.PubAck, MqttVersion.V311));
            }
        }
    }

    private async Task<DeviceEnding?> SendTelemetryAsync(MessageProperties properties, byte[] body)
    {
        try
        {
            var result = await _device!.SendTelemetryAsync(properties, body, _closing.Token); // Accepted: there is one.
            if (result.Outcome is SendOutcome.Rejected)
            {
                Detail = result.Reason;
            }

            return result.Outcome switch
            {
                SendOutcome.Accepted => null,
                SendOutcome.Rejected => DeviceEnding.HubRefused,
                _ => DeviceEnding.HubLost,
            };
        }
        finally
        {
            Interlocked.Add(ref _heldBytes, -body.Length);
        }
    }

    private Task<DeviceEnding?> GetTwinAsync(string requestId) => TwinAsync(requestId, device => device.GetTwinAsync(_closing.Token));

    private Task<DeviceEnding?> PatchAsync(string requestId, byte[] patch) => TwinAsync(requestId, device => device.PatchReportedAsync(patch, _closing.Token));

    private async Task<DeviceEnding?> TwinAsync(string requestId, Func<IHubDevice, ValueTask<TwinAnswer>> ask)
    {
        var answer = await ask(_device!); // Accepted: there is one.
        if (answer.Status is TwinAnswer.Lost)
        {
            return DeviceEnding.HubLost;
        }

        if (_feeds.HasFlag(DeviceFeeds.TwinAnswers))
        {
            var values = new Dictionary<string, string> { ["status"] = Text(answer.Status), ["rid"] = requestId, ["version"] = answer.Version is { } version ? Text(version) : "" };
            Publish(_context.Topics.Down(DeviceFeeds.TwinAnswers, Device, values) ?? HubTopics.TwinAnswer(answer.Status, requestId, answer.Version), answer.Body);
        }

        return null;
    }

    private async Task<DeviceEnding?> AnswerMethodAsync(DevicePublish result, byte[] payload) =>
        await _device!.AnswerMethodAsync(result.RequestId!, result.Status, payload, _closing.Token) ? null : DeviceEnding.HubLost; // Accepted: there is one.

    // Never faults. An outcome that does not reach the hub is no fault of the device: the hub delivers again.
    private async Task SettleAsync(string token, CommandOutcome outcome)
    {
        try
        {
            if (!await _device!.CompleteCommandAsync(token, outcome, _closing.Token)) // Accepted: there is one.
            {
                Close(DeviceEnding.HubLost);
            }
        }
        catch (OperationCanceledException)
        {
            // The connection ends.
        }
    }

    private async ValueTask<DeviceEnding?> HandleSubscribeAsync(SubscribePacket packet)
    {
        var codes = new List<ReasonCode>();
        foreach (var asked in packet.Subscriptions)
        {
            var feeds = FeedsOf(asked.Filter);
            if (feeds is DeviceFeeds.None || _filters.Count >= HubLimits.MaxMqttSubscriptions)
            {
                _context.Signals.Unmapped(Owner, Encoding.UTF8.GetBytes(asked.Filter));
                if (!_context.DropUnmapped)
                {
                    Detail = "a filter that is neither the hub's nor in the table";
                    return DeviceEnding.ProtocolViolation;
                }

                codes.Add(ReasonCode.UnspecifiedError);
                continue;
            }

            var qos = Math.Min((int)asked.Qos, 1);
            _filters[asked.Filter] = feeds;
            _commandQos = feeds.HasFlag(DeviceFeeds.Commands) ? Math.Max(_commandQos, qos) : _commandQos;
            codes.Add((ReasonCode)qos);
        }

        // Before commands flow, so that none comes before the answer.
        var wanted = Union();
        var isOpen = (!wanted.HasFlag(DeviceFeeds.Desired) || _feeds.HasFlag(DeviceFeeds.Desired) || await _device!.StartDesiredAsync(_closing.Token))
            && (!wanted.HasFlag(DeviceFeeds.Methods) || _feeds.HasFlag(DeviceFeeds.Methods) || await _device!.StartMethodsAsync(_closing.Token));
        var startsCommands = wanted.HasFlag(DeviceFeeds.Commands) && !_feeds.HasFlag(DeviceFeeds.Commands);
        _feeds = wanted;
        Send(output => new SubAckPacket { PacketId = packet.PacketId, Reasons = codes }.Write(output, MqttVersion.V311));
        return isOpen && (!startsCommands || await _device!.StartCommandsAsync(CommandWindow, _closing.Token)) ? null : DeviceEnding.HubLost;
    }

    private async ValueTask<DeviceEnding?> HandleUnsubscribeAsync(UnsubscribePacket packet)
    {
        foreach (var filter in packet.Filters)
        {
            _filters.Remove(filter);
        }

        var gone = _feeds & ~Union();
        _feeds = Union();
        if (gone.HasFlag(DeviceFeeds.Methods))
        {
            await _device!.StopMethodsAsync(_closing.Token); // Accepted: there is one.
        }

        if (gone.HasFlag(DeviceFeeds.Commands))
        {
            _commandQos = 0;
            await _device!.StopCommandsAsync(_closing.Token);
            _commands.Clear();
        }

        Send(output => new UnsubAckPacket { PacketId = packet.PacketId }.Write(output, MqttVersion.V311));
        return null;
    }

    private DeviceFeeds FeedsOf(string filter) => HubTopics.FeedsOf(Device, filter) | _context.Topics.FeedsOf(Device, filter);

    private DeviceFeeds Union() => _filters.Values.Aggregate(DeviceFeeds.None, static (all, feeds) => all | feeds);

    private async Task SendWillAsync(IHubDevice device, Will will)
    {
        var intent = ReadPublish(Encoding.UTF8.GetBytes(will.Topic));
        using var deadline = new CancellationTokenSource(HubTimeout, _context.Time);
        try
        {
            // spec/device-mqtt.md 2.6.
            await device.SendTelemetryAsync(With(Retained(intent.Properties!, will.Retain), "iothub-MessageType", "Will"), will.Payload, deadline.Token);
        }
        catch (OperationCanceledException)
        {
            // The hub does not answer any more.
        }
    }

    private void ConnAck(ConnectReturnCode code) => Send(output => ConnAckPacket.Write(output, code));

    private void Publish(string topic, ReadOnlyMemory<byte> payload)
    {
        if (TryEncode(topic, out var bytes))
        {
            Publish(bytes, payload, 0);
        }
    }

    private void Publish(byte[] topic, ReadOnlyMemory<byte> payload, ushort packetId) => Send(output =>
        new PublishPacket { Topic = topic, Payload = new ReadOnlySequence<byte>(payload), Qos = (byte)(packetId == 0 ? 0 : 1), PacketId = packetId }
            .Write(output, MqttVersion.V311));

    private void Send(Action<IBufferWriter<byte>> write)
    {
        var packet = new ArrayBufferWriter<byte>();
        write(packet);
        _transport.Write(packet.WrittenSpan);
    }

    private void Heard()
    {
        Volatile.Write(ref _heardAt, _context.Time.GetTimestamp());
        Volatile.Write(ref _isWaiting, false);
    }

    private ushort NextPacketId()
    {
        // At most 50 of 65,535 are in flight: the next free one is never far.
        ushort packetId;
        do
        {
            packetId = (ushort)((_lastPacketId++ % ushort.MaxValue) + 1);
        }
        while (_commands.ContainsKey(packetId));
        return packetId;
    }

    private static bool TryEncode(string topic, out byte[] bytes)
    {
        bytes = Encoding.UTF8.GetBytes(topic);
        return bytes.Length <= ushort.MaxValue;
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    // spec/device-mqtt.md 3 rule 5: RETAIN is not kept, only told.
    private static MessageProperties Retained(MessageProperties properties, bool retain) =>
        retain ? With(properties, "mqtt-retain", "true") : properties;

    private static MessageProperties With(MessageProperties properties, string name, string value) => properties with
    {
        Application = [.. properties.Application.Where(pair => pair.Key != name), new(name, value)],
    };

    private readonly record struct PendingAnswer(ushort PacketId, Task<DeviceEnding?> Answer);
}
