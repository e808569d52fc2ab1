using Nave.Hub.Devices;
using Nave.Hub.Telemetry;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>A device whose CONNECT was accepted. Whoever has it ends the session.</summary>
/// <param name="Session">Open, and in the connection's place.</param>
/// <param name="Topics">Of this identity.</param>
/// <param name="Subscriptions">What was stored, and what is to come.</param>
/// <param name="Will">Null when the client left none.</param>
internal sealed record MqttAccepted(DeviceSession Session, MqttTopics Topics, MqttSubscriptions Subscriptions, MqttWill? Will);

/// <summary>What is published when the connection is lost (spec/device-mqtt.md 2.6).</summary>
internal sealed record MqttWill(TelemetryProperties Properties, ReadOnlyMemory<byte> Payload);

/// <summary>What became of a CONNECT: accepted, or the reason why not. The CONNACK is written.</summary>
/// <param name="Accepted">Null when refused.</param>
/// <param name="Reason">Why refused.</param>
/// <param name="Failure">What the operator is told of it.</param>
/// <param name="ClientId">As the client gave it, if it got so far.</param>
internal readonly record struct AcceptOutcome(
    MqttAccepted? Accepted, CloseReason Reason, HubFailure? Failure = null, string? ClientId = null)
{
    /// <summary>Whether it was refused for what it is, before any credential was looked at.</summary>
    public bool IsUnjudged { get; init; }
}
