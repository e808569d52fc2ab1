using Nave.PskGateway.Upstream;

namespace Nave.PskGateway.Mqtt;

/// <summary>What all connections of a gateway have in common.</summary>
/// <param name="Upstream">The hub.</param>
/// <param name="Topics">The operator's table.</param>
/// <param name="Signals">Is told what an operator may want to know.</param>
/// <param name="Time">The clock.</param>
internal sealed record DeviceConnectionContext(IHubUpstream Upstream, TopicMap Topics, PskSignals Signals, TimeProvider Time)
{
    /// <summary>A CONNECT may bring any client id.</summary>
    public bool AnyClientId { get; init; }

    /// <summary>What is published to an unmapped topic is acknowledged and dropped, instead of ending the connection.</summary>
    public bool DropUnmapped { get; init; }

    /// <summary>Has the device's older connection end, and waits for it: the newer one stays.</summary>
    public required Func<DeviceConnection, Task> TakePlaceAsync { get; init; }
}

/// <summary>Why a device's connection ended.</summary>
internal enum DeviceEnding
{
    /// <summary>It said DISCONNECT.</summary>
    Disconnected,

    /// <summary>It went without a word.</summary>
    PeerClosed,

    /// <summary>Its keep-alive ran out, or its CONNECT did not come.</summary>
    Silent,

    /// <summary>It did what MQTT or the hub's topics do not allow.</summary>
    ProtocolViolation,

    /// <summary>Its client id is not its device id.</summary>
    ClientIdRefused,

    /// <summary>The hub does not know it, or has it disabled.</summary>
    NotAllowed,

    /// <summary>The hub will not have a message of it.</summary>
    HubRefused,

    /// <summary>The hub cannot be reached.</summary>
    HubLost,

    /// <summary>It has connected anew.</summary>
    TakenOver,

    /// <summary>Its key was revoked, replaced or is no longer valid.</summary>
    KeyRevoked,

    /// <summary>The gateway stops.</summary>
    GatewayStopping,
}
