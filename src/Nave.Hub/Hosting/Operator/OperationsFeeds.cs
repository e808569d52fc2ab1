using System.Net;
using Nave.Hub.Access;
using Nave.Hub.Commands;
using Nave.Hub.Devices;
using Nave.Hub.Heads.Http;
using Nave.Hub.Heads.Mqtt;
using Nave.Hub.Monitoring;
using Nave.Hub.Quotas;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Hosting;

/// <summary>
/// Brings what happens to <see cref="OperationsMonitor"/> in the service's words (spec/messaging-semantics.md 6). Who does
/// it knows nothing of who listens.
/// </summary>
internal sealed class OperationsFeeds
{
    private const string Connect = "deviceConnect";
    private const string Disconnect = "deviceDisconnect";

    // A client chooses its own name.
    private const int MaxUserAgent = 200;

    private readonly OperationsMonitor _operations;
    private readonly TimeProvider _time;

    public OperationsFeeds(
        OperationsMonitor operations, AccessControl access, DeviceSessions sessions, MqttSignals mqtt, CommandSender commands, CommandStore store,
        ServiceSignals service, HubMeter meter, DeviceLimits limits, TimeProvider time)
    {
        _operations = operations;
        _time = time;
        access.Decided += OnDecided;
        sessions.Opened += OnOpened;
        sessions.Ended += OnEnded;
        sessions.TelemetryRefused += OnTelemetryRefused;
        mqtt.Unreadable += OnUnreadable;
        commands.HasRefused += OnCommandRefused;
        store.Ended += OnCommandEnded;
        service.Answered += OnAnswered;
        meter.Refused += OnThrottled;
        limits.Refused += OnDeviceThrottled;
    }

    private void OnDecided(AccessDecision decision)
    {
        // A back end is no device: what it was refused is told where it asked for it.
        if (decision is { Id: { } id, Failure: { } failure })
        {
            _operations.Tell(new OperationsEvent(OperationsCategory.Connections, Connect, id.Device.Value)
            {
                Fault = FaultOf(failure),
                Protocol = decision.Protocol,
                Took = decision.Took,
                Credential = decision.Offered,
            });
        }
    }

    // Before any credential: the device is the one that the client id names, where it is an id at all.
    private void OnUnreadable(IPAddress? peer, string? clientId, HubFailure failure) => _operations.Tell(
        new OperationsEvent(OperationsCategory.Connections, Connect, clientId is not null && DeviceId.TryParse(clientId.Split('/')[0], out var device) ? device.Value : null)
        {
            Fault = FaultOf(failure),
            Protocol = DeviceProtocol.Mqtt,
        });

    private void OnOpened(DeviceSession session) => _operations.Tell(Of(session, Connect, null) with { Took = session.OpeningTook });

    private void OnEnded(DeviceSession session, CloseReason reason)
    {
        var isMqtt = session.Protocol is DeviceProtocol.Mqtt or DeviceProtocol.MqttWs;
        OperationsFault? fault = reason switch
        {
            CloseReason.TakenOver => isMqtt
                ? new(400, (int)HubErrorCode.ConnectionForcefullyClosedOnNewConnection, "A newer connection of the same identity took its place")
                : new(409, (int)HubErrorCode.LinkCreationConflict, "A newer connection of the same identity took its place"),
            CloseReason.KeepAliveTimeout => new(404, (int)HubErrorCode.DeviceConnectionClosedRemotely, "Nothing came for one and a half times the keep-alive"),
            CloseReason.TokenExpired => new(401, (int)HubErrorCode.IotHubUnauthorized, "Token expired"),
            CloseReason.Throttled => new(429, (int)HubErrorCode.ThrottlingException, "Throttled"),
            _ => null,
        };
        _operations.Tell(Of(session, Disconnect, fault) with { Took = _time.GetElapsedTime(session.OpenedAt) });
    }

    private void OnTelemetryRefused(DeviceSession session, HubFailure failure, long? bytes, bool isBatch) => _operations.Tell(
        new OperationsEvent(OperationsCategory.DeviceTelemetry, "ingress", session.Id.Device.Value)
        {
            Fault = OperationsFault.Of(failure),
            Protocol = session.Protocol,
            Credential = session.Grant.Kind,
            MessageBytes = bytes,
            IsBatch = isBatch,
        });

    private void OnCommandRefused(IdentityId id, CloudToDeviceMessage message, HubFailure failure) => _operations.Tell(
        new OperationsEvent(OperationsCategory.C2DCommands, "ingress", id.Device.Value)
        {
            Fault = OperationsFault.Of(failure),
            Credential = CredentialKind.Policy,
            MessageBytes = message.Body.Length,
            Acknowledgement = message.Acknowledgement,
        });

    private void OnCommandEnded(CommandEnded ended)
    {
        // The service has no numbers for them; 404103 is a device that was not there, 403004 a queue that gave up.
        var (operation, fault) = ended.Outcome switch
        {
            CommandOutcome.Expired => ("messageExpired", new OperationsFault(404, (int)HubErrorCode.DeviceNotOnline, "The message expired before the device took it")),
            CommandOutcome.DeliveryCountExceeded => ("egress", new OperationsFault(
                403, (int)HubErrorCode.DeviceMaximumQueueDepthExceeded, "The device gave the message back too often: its delivery count was exceeded")),
            _ => (null, default),
        };
        if (operation is not null)
        {
            _operations.Tell(new OperationsEvent(OperationsCategory.C2DCommands, operation, ended.Id.Device.Value)
            {
                Fault = fault,
                MessageBytes = ended.Bytes,
                Acknowledgement = ended.Acknowledgement,
            });
        }
    }

    private void OnAnswered(ServiceAnswered answered)
    {
        if (EventOf(answered) is { } what)
        {
            _operations.Tell(what);
        }
    }

    /// <summary>A request as an event; null where it is no identity operation.</summary>
    internal static OperationsEvent? EventOf(ServiceAnswered answered)
    {
        if (IdentityOperation.Of(answered.Verb, answered.Pattern, answered.IsConditional) is not { } operation)
        {
            return null;
        }

        // The text of a route is whatever a stranger wrote, as long as a request line may be.
        var device = DeviceId.TryParse(answered.Device, out var named) ? named.Value : null;
        return new OperationsEvent(OperationsCategory.DeviceIdentityOperations, operation, device)
        {
            Fault = answered.Failure is { } failure ? OperationsFault.Of(failure) : null,
            Took = answered.Took,
            UserAgent = answered.UserAgent is { Length: > MaxUserAgent } name ? name[..MaxUserAgent] : answered.UserAgent,
            Policy = answered.Policy,
        };
    }

    private void OnThrottled(Metered operation, IdentityId? id, HubFailure failure)
    {
        if (operation is Metered.Connects)
        {
            _operations.Tell(new OperationsEvent(OperationsCategory.Connections, Connect, id?.Device.Value) { Fault = FaultOf(failure) });
        }
    }

    private void OnDeviceThrottled(IdentityId id, IPAddress? address, HubFailure failure)
    {
        if (address is not null)
        {
            _operations.Tell(new OperationsEvent(OperationsCategory.Connections, Connect, id.Device.Value) { Fault = FaultOf(failure) });
        }
    }

    private static OperationsEvent Of(DeviceSession session, string operation, OperationsFault? fault) =>
        new(OperationsCategory.Connections, operation, session.Id.Device.Value)
        {
            Fault = fault,
            Protocol = session.Protocol,
            Credential = session.Grant.Kind,
        };

    // The service tells every refused credential as 401003, and what was wrong in words.
    private static OperationsFault FaultOf(HubFailure failure) => failure.HttpStatus == 401
        ? OperationsFault.Of(failure) with { Type = (int)HubErrorCode.IotHubUnauthorized }
        : OperationsFault.Of(failure);
}

/// <summary>Which requests are identity operations, and what the service calls them.</summary>
internal static class IdentityOperation
{
    /// <summary>The operation's name; null where the request is none.</summary>
    public static string? Of(string verb, string pattern, bool isConditional) => (verb, pattern) switch
    {
        ("GET", "/devices" or "/devices/{id}/modules") => "readMany",
        ("POST", "/devices") => "bulk",
        ("GET", "/devices/{id}" or "/devices/{id}/modules/{moduleId}") => "get",
        ("PUT", "/devices/{id}" or "/devices/{id}/modules/{moduleId}") => isConditional ? "update" : "create",
        ("DELETE", "/devices/{id}" or "/devices/{id}/modules/{moduleId}") => "delete",
        _ => null,
    };
}
