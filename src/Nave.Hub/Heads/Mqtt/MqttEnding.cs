using Nave.Hub.Devices;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>
/// What follows from the reason why an MQTT connection ended: the one place that decides it
/// (spec/device-mqtt.md 2.5, 2.6, 2.7 and 11).
/// </summary>
/// <param name="PublishesWill">Everything but a goodbye, our own stop and the end of the identity's rights.</param>
/// <param name="AwaitsAcknowledgements">Whether what is in the log's open batch is still acknowledged before the close.</param>
/// <param name="Code">What the operator is told; null when nothing was wrong.</param>
internal readonly record struct MqttEnding(bool PublishesWill, bool AwaitsAcknowledgements, HubErrorCode? Code)
{
    private static readonly Dictionary<CloseReason, MqttEnding> Endings = new()
    {
        [CloseReason.Disconnected] = new(false, false, null),
        [CloseReason.PeerClosed] = new(true, false, HubErrorCode.DeviceConnectionClosedRemotely),
        [CloseReason.ProtocolViolation] = new(true, false, HubErrorCode.InvalidOperation),
        [CloseReason.Refused] = new(true, false, HubErrorCode.ArgumentInvalid),
        [CloseReason.NotAuthorized] = new(false, false, HubErrorCode.IotHubUnauthorizedAccess),
        [CloseReason.AuthenticationTimeout] = new(false, false, HubErrorCode.IotHubUnauthorizedAccess),
        [CloseReason.KeepAliveTimeout] = new(true, false, HubErrorCode.DeviceConnectionClosedRemotely),
        [CloseReason.TakenOver] = new(true, false, HubErrorCode.ConnectionForcefullyClosedOnNewConnection),
        [CloseReason.TokenExpired] = new(true, false, HubErrorCode.IotHubUnauthorized),

        // Who may not connect any more may not speak any more either.
        [CloseReason.IdentityDisabled] = new(false, false, HubErrorCode.DeviceDisabled),
        [CloseReason.IdentityDeleted] = new(false, false, HubErrorCode.DeviceNotFound),
        [CloseReason.CredentialRevoked] = new(false, false, HubErrorCode.IotHubUnauthorizedAccess),

        [CloseReason.Throttled] = new(true, false, HubErrorCode.ThrottlingException),
        [CloseReason.LogUnavailable] = new(false, false, HubErrorCode.ServiceUnavailable),

        // design.md 3: stop reading, last commit and its acknowledgements, then FIN; no wills.
        [CloseReason.HubStopping] = new(false, true, null),
        [CloseReason.Forced] = new(true, false, null),
        [CloseReason.InternalError] = new(true, false, HubErrorCode.ServerError),
    };

    /// <summary>What follows from the reason.</summary>
    public static MqttEnding Of(CloseReason reason) => Endings[reason];
}
