using System.Net;
using System.Security.Authentication;
using Nave.Hub.Access;
using Nave.Hub.Commands;
using Nave.Hub.Devices;
using Nave.Hub.Heads.Mqtt;
using Nave.Hub.Heartbeats;
using Nave.Hub.Monitoring;
using Nave.Hub.Quotas;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Hosting;

/// <summary>
/// Brings decisions from where they are made to <see cref="DecisionLog"/>, and refusals of devices to the heartbeat
/// monitor. Who decides knows nothing of who listens.
/// </summary>
internal sealed class DecisionFeeds
{
    private readonly DecisionLog _log;
    private readonly HeartbeatTable _heartbeats;

    public DecisionFeeds(
        DecisionLog log, HeartbeatTable heartbeats, AccessControl access, DeviceSessions sessions, MqttSignals mqtt, TlsHandshakes handshakes, CommandSender commands,
        HubMeter meter, DeviceLimits limits)
    {
        _log = log;
        _heartbeats = heartbeats;
        access.Decided += OnDecided;
        sessions.Opened += OnOpened;
        sessions.Ended += OnEnded;
        mqtt.Unreadable += OnUnreadable;
        handshakes.HasFailed += OnHandshakeFailed;
        commands.HasRefused += OnCommandRefused;
        meter.Refused += OnThrottled;
        limits.Refused += OnDeviceThrottled;
    }

    private void OnDecided(AccessDecision decision)
    {
        if (decision.Grant is { } grant)
        {
            _log.Add(new Decision(DecisionKind.Admitted, decision.Id?.ToString(), decision.Peer, null, Describe(grant)));
        }
        else if (decision.Failure is { } failure)
        {
            Refuse(decision.Id?.ToString(), decision.Peer, failure, decision.Protocol?.ToString());
            if (failure.HttpStatus is 401 or 403 or 429 && decision.Id is { IsModule: false } id)
            {
                _heartbeats.Refused(id.Device.Value, failure.Code.ToString());
            }
        }
    }

    private void OnOpened(DeviceSession session)
    {
        _log.Add(new Decision(DecisionKind.Connected, session.Id.ToString(), null, null, string.Intern($"connected over {session.Protocol}"))
        {
            Protocol = session.Protocol.ToString(),
        });
    }

    private void OnEnded(DeviceSession session, CloseReason reason)
    {
        _log.Add(new Decision(
            DecisionKind.Disconnected, session.Id.ToString(), null, PresenceReason.Of(reason), $"the {session.Protocol} connection ended: {Describe(reason)}")
        {
            Protocol = session.Protocol.ToString(),
            Hint = reason is CloseReason.TakenOver ? "two connections use this identity in turns: give each device an identity of its own" : null,
        });
    }

    private void OnUnreadable(IPAddress? peer, string? clientId, HubFailure failure) =>
        Refuse(clientId is null ? null : DeviceId.TryParse(clientId.Split('/')[0], out _) ? clientId : OperatorText.Quote(clientId), peer, failure, "Mqtt");

    private void OnHandshakeFailed(EndPoint? peer, SslProtocols? offered)
    {
        var isOld = offered is { } versions && (versions & (SslProtocols.Tls12 | SslProtocols.Tls13)) == 0;
        var explanation = offered is null ? "TLS failed before the client's hello: it spoke no TLS, or left"
            : isOld ? $"TLS failed before any protocol: the client offered {offered} only, this hub takes TLS 1.2 and 1.3"
            : "TLS failed after the hub had shown its certificate: the client does not trust it, or left";
        var hint = isOld ? "let the device's TLS library offer TLS 1.2"
            : offered is null ? null : "give the client the hub's authority: DATA/certs/ca.pem, and a host name that is in the certificate";
        _log.Add(new Decision(DecisionKind.HandshakeFailed, null, (peer as IPEndPoint)?.Address, isOld ? "TlsVersion" : "Tls", explanation) { Hint = hint });
    }

    private void OnCommandRefused(IdentityId id, CloudToDeviceMessage message, HubFailure failure) => Refuse(id.ToString(), null, failure, null);

    private void OnThrottled(Metered operation, IdentityId? id, HubFailure failure)
    {
        // Of a command its sender tells.
        if (operation is not Metered.CommandSends)
        {
            Refuse(id?.ToString(), null, failure, null);
            if (operation is Metered.Connects && id is { } device)
            {
                ConnectRefused(device, failure);
            }
        }
    }

    private void OnDeviceThrottled(IdentityId id, IPAddress? address, HubFailure failure)
    {
        Refuse(id.ToString(), address, failure, null);
        if (address is not null)
        {
            ConnectRefused(id, failure);
        }
    }

    // Trying and failing: the heartbeat monitor is to know it.
    private void ConnectRefused(IdentityId id, HubFailure failure)
    {
        if (!id.IsModule)
        {
            _heartbeats.Refused(id.Device.Value, failure.Code.ToString());
        }
    }

    private void Refuse(string? device, IPAddress? peer, HubFailure failure, string? protocol) => _log.Add(
        new Decision(DecisionKind.Refused, device, peer, failure.Code.ToString(), failure.Detail ?? failure.Message)
        {
            Protocol = protocol,
            Hint = DecisionHints.Of(failure, device),
        });

    // The few texts that every connect has are one string each: the log keeps them for every device.
    private static string Describe(AccessGrant grant) => grant.Kind switch
    {
        CredentialKind.Policy => $"admitted by a token of the policy '{grant.PolicyName}', {grant.KeyName}",
        CredentialKind.Thumbprint => "admitted by its certificate's thumbprint",
        CredentialKind.CertificateAuthority => "admitted by a certificate of a verified authority",
        _ => string.Intern($"admitted by a token signed with {grant.KeyName}"),
    };

    private static string Describe(CloseReason reason) => reason switch
    {
        CloseReason.Disconnected => "the device said goodbye",
        CloseReason.PeerClosed => "the device or the network closed it without a goodbye",
        CloseReason.KeepAliveTimeout => "nothing came for one and a half times the keep-alive",
        CloseReason.TakenOver => "a newer connection of the same identity took its place",
        CloseReason.TokenExpired => "its token's time was over",
        CloseReason.IdentityDisabled => "the identity was disabled",
        CloseReason.IdentityDeleted => "the identity was deleted",
        CloseReason.CredentialRevoked => "the key, certificate or policy it came with no longer stands",
        CloseReason.ProtocolViolation => "the device broke a rule of the protocol",
        CloseReason.Refused => "a message was refused, and the protocol can only say so by closing",
        CloseReason.Throttled => "it was over a limit, or took nothing of what it was sent",
        CloseReason.LogUnavailable => "the hub takes no messages",
        CloseReason.HubStopping => "the hub stopped",
        _ => reason.ToString(),
    };
}
