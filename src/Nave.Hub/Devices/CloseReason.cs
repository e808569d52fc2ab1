namespace Nave.Hub.Devices;

/// <summary>
/// Why a connection or session ended: one enumeration across the heads. What follows from it (will message, log level,
/// operations event, metric) is decided from this value alone.
/// </summary>
internal enum CloseReason
{
    /// <summary>The peer said goodbye in its protocol (MQTT DISCONNECT, AMQP CLOSE).</summary>
    Disconnected,

    /// <summary>The peer's end of the transport closed or was reset without a goodbye.</summary>
    PeerClosed,

    /// <summary>Malformed bytes or a rule of the protocol broken.</summary>
    ProtocolViolation,

    /// <summary>A message was refused, and the protocol can only say so by closing.</summary>
    Refused,

    /// <summary>The credential was refused at connect.</summary>
    NotAuthorized,

    /// <summary>Nothing authenticated in time.</summary>
    AuthenticationTimeout,

    /// <summary>Nothing arrived for 1.5 times the keep-alive, or for the idle time-out.</summary>
    KeepAliveTimeout,

    /// <summary>A newer connection of the same identity has the place (400027, 409002).</summary>
    TakenOver,

    /// <summary>The token's time is over (401003).</summary>
    TokenExpired,

    /// <summary>The identity was disabled.</summary>
    IdentityDisabled,

    /// <summary>The identity was deleted, or re-created.</summary>
    IdentityDeleted,

    /// <summary>The key, thumbprint, policy or certificate authority used no longer verifies.</summary>
    CredentialRevoked,

    /// <summary>Over a limit that cannot be answered otherwise.</summary>
    Throttled,

    /// <summary>The log takes nothing, so nothing can be acknowledged.</summary>
    LogUnavailable,

    /// <summary>The hub is shutting down.</summary>
    HubStopping,

    /// <summary>An operator or a test asked for it.</summary>
    Forced,

    /// <summary>We failed; the log has the exception.</summary>
    InternalError,
}
