namespace Nave.Mqtt;

/// <summary>What CONNACK says in MQTT 3.1.1 (table 3.1). MQTT 5 uses <see cref="ReasonCode"/> instead.</summary>
public enum ConnectReturnCode : byte
{
    /// <summary>The connection stands.</summary>
    Accepted = 0,

    /// <summary>The server does not speak the level asked for.</summary>
    UnacceptableProtocolVersion = 1,

    /// <summary>The client identifier is well-formed but not allowed.</summary>
    IdentifierRejected = 2,

    /// <summary>The MQTT service cannot be had now.</summary>
    ServerUnavailable = 3,

    /// <summary>User name or password is malformed.</summary>
    BadUserNameOrPassword = 4,

    /// <summary>The client may not connect.</summary>
    NotAuthorized = 5,
}
