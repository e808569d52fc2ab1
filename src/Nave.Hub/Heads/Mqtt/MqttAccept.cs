using System.Text;
using Nave.Hub.Access;
using Nave.Hub.Devices;
using Nave.Mqtt;
using Nave.Protocol;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;
using Subscription = Nave.Hub.Devices.Subscription;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>
/// The accept step of an MQTT connection: waits for the CONNECT, judges it in the order of spec/device-mqtt.md 2.1, opens
/// the session and answers. A CONNECT that can be read is always answered; what is no CONNECT never is. Spends nothing on
/// a peer before its bytes come, and at most a CONNECT's worth then.
/// </summary>
internal sealed class MqttAccept(
    HubNames names, AccessControl access, DeviceSessions sessions, SubscriptionStore subscriptions, MqttSignals signals)
{
    private const byte FirstByteOfConnect = 0x10;

    /// <summary>Waits, judges, answers. The CONNACK is written, not yet flushed.</summary>
    /// <param name="transport">Where the deadline for the CONNECT runs already.</param>
    /// <param name="peer">For the proof and for the log.</param>
    /// <param name="draining">Cancelled when the hub takes nobody any more.</param>
    public async ValueTask<AcceptOutcome> AcceptAsync(MqttTransport transport, MqttPeer peer, CancellationToken draining)
    {
        var (connect, outcome) = await ReadConnectAsync(transport);
        if (connect is null)
        {
            return outcome;
        }

        try
        {
            outcome = draining.IsCancellationRequested
                ? new AcceptOutcome(null, CloseReason.HubStopping, HubFailures.Unavailable.Because("The hub is stopping."))
                : await JudgeAsync(connect, transport, peer);
        }
        catch (IOException e)
        {
            // The database takes nothing; it says so itself. The client is told to come again.
            outcome = new AcceptOutcome(null, CloseReason.InternalError, HubFailures.Unavailable.Because(e.Message));
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            signals.Failed(peer, e);
            outcome = new AcceptOutcome(null, CloseReason.InternalError, HubFailures.ServerError);
        }

        if (outcome.Accepted is null && outcome.Failure is { } failure)
        {
            transport.Writer.ConnAck((ConnectReturnCode)failure.Connack, sessionPresent: false);
        }

        return outcome with { ClientId = connect.ClientId };
    }

    // 1. The first packet, whole, within its bounds.
    private static async ValueTask<(ConnectPacket? Connect, AcceptOutcome Outcome)> ReadConnectAsync(MqttTransport transport)
    {
        while (true)
        {
            var read = await transport.Input.ReadAsync(CancellationToken.None);
            if (transport.Channel.Reason is { } closed)
            {
                return (null, new AcceptOutcome(null, closed));
            }

            var unread = read.Buffer;
            if (!unread.IsEmpty && unread.FirstSpan[0] is not FirstByteOfConnect)
            {
                var refusal = Unjudged(HubFailures.InvalidOperation.Because("The first packet is no CONNECT."));
                return (null, refusal with { Reason = CloseReason.ProtocolViolation });
            }

            if (FrameReader.TryReadFrame(ref unread, HubLimits.MaxConnectBytes, out var frame))
            {
                var result = ReadConnect(frame, transport.Writer);
                transport.Input.AdvanceTo(unread.Start);
                return result;
            }

            transport.Input.AdvanceTo(unread.Start, unread.End);
            if (read.IsCompleted)
            {
                return (null, new AcceptOutcome(null, CloseReason.PeerClosed));
            }
        }
    }

    // 2. The protocol level: looked at before the rest, which another level may lay out otherwise.
    private static (ConnectPacket? Connect, AcceptOutcome Outcome) ReadConnect(in MqttFrame frame, MqttWriter writer)
    {
        switch (ConnectProtocol.Read(frame))
        {
            case { Name: "MQTT", Level: (byte)MqttVersion.V311 }:
                return (ConnectPacket.Read(frame), default);
            case { Name: "MQTT", Level: (byte)MqttVersion.V5 }:
                // spec/device-mqtt.md 13: the MQTT 5 personality is not built. Said so that an MQTT 5 client can read it.
                writer.ConnAck(new ConnAckPacket { Code = (byte)ReasonCode.UnsupportedProtocolVersion }, MqttVersion.V5);
                break;
            case { Name: "MQTT" or "MQIsdp" }:
                writer.ConnAck(ConnectReturnCode.UnacceptableProtocolVersion, sessionPresent: false);
                break;
        }

        var refusal = Unjudged(HubFailures.InvalidOperation.Because("The protocol level is not served."));
        return (null, refusal with { Reason = CloseReason.ProtocolViolation });
    }

    private async ValueTask<AcceptOutcome> JudgeAsync(ConnectPacket connect, MqttTransport transport, MqttPeer peer)
    {
        // 3. The user name, and the client id that must agree with it.
        if (!MqttUserName.TryParse(connect.UserName, out var userName))
        {
            return Unjudged(HubFailures.ArgumentNull.Because("The user name is missing or cannot be read."));
        }

        if (connect.ClientId != userName.ExpectedClientId || userName.ToIdentity() is not { } id)
        {
            return Unjudged(HubFailures.ArgumentInvalid.Because("The client id is not that of the user name, or no legal id."));
        }

        // 4. The host.
        if (!names.Contains(userName.HostName))
        {
            return Unjudged(HubFailures.HubNotFound.Because("The host in the user name is none of this hub's names."));
        }

        // 5. The will: anything but a telemetry message of this identity is refused (spec/device-mqtt.md 2.6).
        var topics = new MqttTopics(id);
        if (!TryReadWill(connect.Will, topics, out var will))
        {
            return Unjudged(HubFailures.Unauthorized.Because("The will is none that this device may leave."));
        }

        // 6. Identity, credential, throttle.
        var proof = new DeviceProof(TokenOf(connect), peer.Certificate, peer.Chain, peer.Address) { Protocol = peer.Protocol };
        var admission = await access.AdmitDeviceAsync(id, proof, transport.Channel.Closing);
        if (!admission.TryGet(out var grant, out var failure))
        {
            return Refused(failure);
        }

        if (sessions.TryConnect(id, peer.Address) is { } throttled)
        {
            return new AcceptOutcome(null, CloseReason.Throttled, throttled);
        }

        // 7. The place.
        var request = new SessionRequest(grant, peer.Protocol, transport.Channel, userName.ModelId);
        var (session, refused) = await sessions.OpenAsync(request, CancellationToken.None); // Not half: the place is taken or not.
        if (session is null)
        {
            return new AcceptOutcome(null, refused ?? CloseReason.NotAuthorized, HubFailures.Unauthorized);
        }

        return await ResumeAsync(connect, session, topics, will, transport, peer);
    }

    // 8. What was kept for the client (spec/device-mqtt.md 2.4), and the answer.
    private async ValueTask<AcceptOutcome> ResumeAsync(
        ConnectPacket connect, DeviceSession session, MqttTopics topics, MqttWill? will, MqttTransport transport, MqttPeer peer)
    {
        var isResumed = false;
        try
        {
            var stored = await FindStoredAsync(connect, session, transport.Channel.Closing);
            var kept = new MqttSubscriptions(
                subscriptions, session.Id, session.Grant.GenerationId, !connect.CleanSession, topics, stored ?? []);
            transport.Deadline.ExpectKeepAlive(connect.KeepAliveSeconds);
            transport.Writer.ConnAck(ConnectReturnCode.Accepted, sessionPresent: stored is not null);
            signals.Connected(peer, session.Id, stored is not null);
            transport.Channel.RestClosing();
            isResumed = true;
            return new AcceptOutcome(new MqttAccepted(session, topics, kept, will), CloseReason.Disconnected);
        }
        finally
        {
            if (!isResumed)
            {
                await session.EndAsync(transport.Channel.Reason ?? CloseReason.InternalError);
            }
        }
    }

    /// <returns>The subscriptions of a session that is resumed; null when it begins here.</returns>
    private async ValueTask<IReadOnlyList<Subscription>?> FindStoredAsync(
        ConnectPacket connect, DeviceSession session, CancellationToken closing)
    {
        var stored = await subscriptions.GetAsync(session.Id, session.Grant.GenerationId, closing);
        if (!connect.CleanSession && stored is null)
        {
            await subscriptions.PutAsync(session.Id, session.Grant.GenerationId, [], closing);
        }

        if (connect.CleanSession && stored is not null)
        {
            await subscriptions.DeleteAsync(session.Id, closing);
            return null;
        }

        return stored;
    }

    // An empty password is none (spec/device-mqtt.md 2.1); bytes that are no text become a token that is none.
    private static string? TokenOf(ConnectPacket connect) =>
        connect.Password is { Length: > 0 } password ? Encoding.UTF8.GetString(password.Span) : null;

    private static bool TryReadWill(Will? asked, MqttTopics topics, out MqttWill? will)
    {
        will = null;
        if (asked is null)
        {
            return true;
        }

        if (asked.Qos > 1 || topics.ReadWill(asked.Topic, asked.Retain) is not { } properties)
        {
            return false;
        }

        will = new MqttWill(properties, asked.Payload);
        return true;
    }

    private static AcceptOutcome Refused(HubFailure failure) => new(null, CloseReason.NotAuthorized, failure);

    private static AcceptOutcome Unjudged(HubFailure failure) => Refused(failure) with { IsUnjudged = true };
}
