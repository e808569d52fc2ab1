using System.IO.Pipelines;
using Nave.EventLog;
using Nave.Hub.Devices;
using Nave.Hub.Telemetry;
using Nave.Mqtt;
using Nave.Protocol;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>
/// An MQTT device after its CONNECT was accepted (<see cref="MqttAccept"/>). Turns packets into intents for
/// <see cref="DeviceSession"/> and back. Owns the order of acknowledgements, nothing else: no storage, no policy.
/// </summary>
internal sealed class MqttConnection(
    MqttTransport transport,
    MqttAccepted accepted,
    MqttPeer peer,
    MqttSignals signals,
    MqttOptions options,
    TimeProvider time)
{
    // Topic and fixed parts around the largest message. What is larger is refused before it has arrived.
    private const int MaxPacketBytes = HubLimits.MaxTelemetryBytes + ushort.MaxValue + 16;

    private const int ScratchBytes = 256;

    private readonly PipeReader _input = transport.Input;
    private readonly DeviceSession _session = accepted.Session;
    private readonly MqttTopics _topics = accepted.Topics;
    private readonly MqttSubscriptions _subscriptions = accepted.Subscriptions;
    private readonly MqttChannel _channel = transport.Channel;
    private readonly MqttWriter _writer = transport.Writer;
    private readonly ConnectionDeadline _deadline = transport.Deadline;

    // Made when first needed: a device that is only connected costs none of them.
    private AckQueue? _acknowledgements;
    private MqttCommands? _commands;
    private MqttMethods? _methods;
    private MqttTwins? _twins;
    private byte[]? _scratch;
    private long _receivedAt;

    private AckQueue Acknowledgements => _acknowledgements ??= new(_writer, _channel, signals, options.MaxUnacknowledged, peer.Socket?.Later ?? AckWorkers.Queue);

    private MqttCommands Commands => _commands ??= new(_session, _subscriptions, _writer, _channel);

    private MqttMethods Methods => _methods ??= new(_session, _subscriptions, _writer, _channel);

    private MqttTwins Twins => _twins ??= new(_session, _subscriptions, transport, Acknowledgements, peer, signals, time);

    /// <summary>Runs until either side ends the connection. Never throws for anything the peer can cause.</summary>
    public async Task<CloseReason> RunAsync()
    {
        try
        {
            if (await ResumeAsync() is { } failed)
            {
                return failed;
            }

            while (true)
            {
                var read = await _input.ReadAsync(CancellationToken.None);
                if (_channel.Reason is { } closed)
                {
                    return closed;
                }

                var (unread, isLast) = (read.Buffer, read.IsCompleted);
                _receivedAt = _deadline.Heard();
                while (FrameReader.TryReadFrame(ref unread, MaxPacketBytes, out var frame))
                {
                    if (await HandleAsync(frame) is { } reason)
                    {
                        return reason;
                    }
                }

                // Everything was examined even where nothing was consumed: the next read waits for new bytes.
                _input.AdvanceTo(unread.Start, unread.End);
                SendAnswers(); // Once per read, whatever it brought.
                if (isLast)
                {
                    return _channel.Reason ?? CloseReason.PeerClosed;
                }

                if (_writer.IsCongested)
                {
                    await WaitForPeerToReadAsync();
                }
            }
        }
        catch (MalformedPacketException e)
        {
            signals.Malformed(peer, e.Rule);
            if (e is not PacketTooLargeException)
            {
                return CloseReason.ProtocolViolation;
            }

            _session.RefusedTelemetry(HubFailures.MessageTooLarge);
            return Refuse(HubFailures.MessageTooLarge);
        }
        catch (OperationCanceledException) when (_channel.Reason is { } reason)
        {
            return reason;
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // A reset is how devices usually leave.
            return _channel.Reason ?? CloseReason.PeerClosed;
        }
    }

    /// <summary>Acknowledges what is still on its way to the disk.</summary>
    public async ValueTask AwaitAcknowledgementsAsync(CancellationToken deadline)
    {
        if (_acknowledgements is { } acknowledgements)
        {
            acknowledgements.Release();
            await acknowledgements.WaitUntilEmptyAsync(deadline);
        }
    }

    /// <summary>Settles the commands that the client has acknowledged, and stores the patches that it has sent.</summary>
    public async ValueTask FinishAsync(CancellationToken deadline)
    {
        if (_commands is { } commands)
        {
            await commands.CompleteAsync(deadline);
        }

        if (_twins is { } twins)
        {
            await twins.CompleteAsync(deadline);
        }
    }

    // A session that was kept has everything flow again without a SUBSCRIBE (spec/device-mqtt.md 2.4). Desired
    // changes from the CONNACK on: a client may ask for its twin no sooner, so it misses none.
    private async ValueTask<CloseReason?> ResumeAsync()
    {
        if (_subscriptions.Current.Count is 0)
        {
            _writer.Flush();
            return null;
        }

        await Twins.FollowSubscriptionsAsync();
        Twins.Open();
        _writer.Flush();
        return await StoredAsync(FollowAsync());
    }

    /// <returns>Why the connection must end, or null to go on.</returns>
    private ValueTask<CloseReason?> HandleAsync(in MqttFrame frame)
    {
        switch (frame.Type)
        {
            case PacketType.Publish:
                return HandlePublishAsync(frame);
            case PacketType.PubAck:
                return new(HandlePubAck(frame));
            case PacketType.Subscribe:
                return StoredAsync(HandleSubscribeAsync(SubscribePacket.Read(frame, MqttVersion.V311)));
            case PacketType.Unsubscribe:
                return StoredAsync(HandleUnsubscribeAsync(UnsubscribePacket.Read(frame, MqttVersion.V311)));
            case PacketType.PingReq:
                _session.Pinged();
                _writer.PingResponse();
                return default;
            case PacketType.Disconnect:
                DisconnectPacket.Read(frame, MqttVersion.V311);
                return new(CloseReason.Disconnected);
            default:
                // spec/device-mqtt.md 1, "Second CONNECT"; and what only a server sends, or QoS 2 needs.
                return new(Violate($"{frame.Type} has no place here."));
        }
    }

    // Not async: the usual PUBLISH neither waits nor allocates.
    private ValueTask<CloseReason?> HandlePublishAsync(in MqttFrame frame) =>
        TryHandlePublish(frame, out var reason) ? new(reason) : HandlePublishWithRoomAsync(frame);

    /// <returns>False when the message must wait for room in the log, in the queue of acknowledgements or in that of twin requests.</returns>
    private bool TryHandlePublish(in MqttFrame frame, out CloseReason? reason)
    {
        var publish = PublishPacket.Read(frame, MqttVersion.V311, frame.Body.IsSingleSegment ? default : _scratch ??= new byte[ScratchBytes]);
        reason = null;
        if (publish.Qos is 2)
        {
            // spec/device-mqtt.md 3 rule 4: the hub has no exactly-once; it closes instead of downgrading.
            reason = Violate("PUBLISH with QoS 2.");
            return true;
        }

        if (publish.Qos is 1 && Acknowledgements.IsFull)
        {
            return false;
        }

        var intent = _topics.Read(publish.Topic, publish.Retain);
        switch (intent.Kind)
        {
            case PublishKind.Telemetry:
                return TrySendTelemetry(publish, intent.Properties!, out reason); // Not null for this kind.
            case PublishKind.Refused:
                _session.RefusedTelemetry(intent.Failure!, publish.Payload.Length); // Not null for this kind.
                reason = Refuse(intent.Failure!, intent.Reason);
                return true;
            case PublishKind.TwinGet or PublishKind.TwinPatch:
                if (Twins.IsFull)
                {
                    return false;
                }

                Twins.Take(intent, publish, _receivedAt);
                return true;
            case PublishKind.MethodResult:
                _methods?.HandleResult(intent.Status, intent.RequestId, publish.Payload);
                break;
        }

        if (publish.Qos is 1)
        {
            Acknowledgements.AddDone(publish.PacketId, _receivedAt);
        }

        return true;
    }

    // The PUBACK leaves when the message's place in the log is committed.
    private bool TrySendTelemetry(in PublishPacket publish, TelemetryProperties properties, out CloseReason? reason)
    {
        reason = null;
        var result = _session.TrySendTelemetry(properties, publish.Payload, publish.Qos is 1 ? Acknowledgements : null);
        switch (result.Outcome)
        {
            case AppendOutcome.Full:
                return false;
            case AppendOutcome.Refused:
                var failure = result.Failure ?? HubFailures.Unavailable;
                reason = Refuse(failure, failure.HttpStatus switch
                {
                    429 => CloseReason.Throttled, // spec/device-mqtt.md 10: nothing less can say it.
                    503 => CloseReason.LogUnavailable,
                    _ => CloseReason.Refused,
                });
                return true;
        }

        if (publish.Qos is 1)
        {
            Acknowledgements.Add(publish.PacketId, result.Position, _receivedAt);
        }

        return true;
    }

    // Reads nothing further from this connection meanwhile: that is the back-pressure.
    private async ValueTask<CloseReason?> HandlePublishWithRoomAsync(MqttFrame frame)
    {
        _deadline.ExpectNothing();
        try
        {
            CloseReason? reason;
            do
            {
                SendAnswers();
                await (Acknowledgements.IsFull ? Acknowledgements.WaitForRoomAsync(_channel.Closing)
                    : Twins.IsFull ? Twins.WaitForRoomAsync(_channel.Closing)
                    : _session.WaitForRoomAsync(_channel.Closing));
                if (_channel.Reason is { } closed)
                {
                    return closed;
                }
            }
            while (!TryHandlePublish(frame, out reason));

            return reason;
        }
        finally
        {
            _deadline.ExpectToBeHeard();
        }
    }

    private CloseReason? HandlePubAck(in MqttFrame frame)
    {
        _commands?.Acknowledged(AckPacket.Read(frame, MqttVersion.V311).PacketId);
        return null;
    }

    private async ValueTask<CloseReason?> HandleSubscribeAsync(SubscribePacket packet)
    {
        foreach (var asked in packet.Subscriptions)
        {
            if (_topics.ReadFilter(asked.Filter) is MqttFeeds.None)
            {
                // spec/device-mqtt.md 5: never 0x80, which clients take for a yes.
                return Refuse(
                    HubFailures.AddressNotFound.Because("The filter is none of this device's."), CloseReason.ProtocolViolation);
            }
        }

        // QoS 2 is granted as 1.
        var granted = packet.Subscriptions.Select(asked => new Devices.Subscription(asked.Filter, Math.Min((int)asked.Qos, 1))).ToList();
        if (!await _subscriptions.AddAsync(granted, _channel.Closing))
        {
            return Refuse(HubFailures.ArgumentInvalid.Because($"More than {HubLimits.MaxMqttSubscriptions} subscriptions."));
        }

        await Twins.FollowSubscriptionsAsync(); // Before the answer: from then on the client relies on it.
        _writer.SubAck(packet.PacketId, [.. granted.Select(subscription => (ReasonCode)subscription.Qos)]);
        Twins.Open();
        return await FollowAsync();
    }

    private async ValueTask<CloseReason?> HandleUnsubscribeAsync(UnsubscribePacket packet)
    {
        await _subscriptions.RemoveAsync([.. packet.Filters], _channel.Closing);
        await Twins.FollowSubscriptionsAsync();
        _writer.UnsubAck(packet.PacketId);
        return await FollowAsync();
    }

    private async ValueTask<CloseReason?> FollowAsync()
    {
        await Commands.FollowSubscriptionsAsync();
        await Methods.FollowSubscriptionsAsync();
        return null;
    }

    // A session that cannot be stored is not granted: without an answer the client connects and subscribes anew.
    private async ValueTask<CloseReason?> StoredAsync(ValueTask<CloseReason?> change)
    {
        try
        {
            return await change;
        }
        catch (IOException e)
        {
            return Refuse(HubFailures.Unavailable.Because(e.Message), CloseReason.InternalError);
        }
    }

    private void SendAnswers()
    {
        _acknowledgements?.Release();
        _writer.Flush();
    }

    private async ValueTask WaitForPeerToReadAsync()
    {
        _deadline.ExpectToBeRead(options.UnsentTimeout);
        await _writer.WaitForRoomAsync(_channel.Closing);
        _deadline.ExpectToBeHeard();
    }

    private CloseReason Violate(string what) =>
        Refuse(HubFailures.InvalidOperation.Because(what), CloseReason.ProtocolViolation);

    private CloseReason Refuse(HubFailure failure, CloseReason reason = CloseReason.Refused)
    {
        signals.Refused(peer, _session.Id, failure);
        return reason;
    }
}
