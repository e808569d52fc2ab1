namespace Nave.Mqtt;

/// <summary>The message that the server publishes when the client is lost (MQTT 3.1.2.5).</summary>
public sealed class Will
{
    /// <summary>A topic name, without wildcards.</summary>
    public required string Topic { get; init; }

    /// <summary>Any bytes.</summary>
    public ReadOnlyMemory<byte> Payload { get; init; }

    /// <summary>0, 1 or 2.</summary>
    public byte Qos { get; init; }

    /// <summary>Whether the server is to keep it for later subscribers.</summary>
    public bool Retain { get; init; }

    /// <summary>MQTT 5.</summary>
    public MqttProperties Properties { get; init; } = MqttProperties.None;
}
