namespace Nave.Mqtt;

/// <summary>One property of MQTT 5 as it lies in its packet. Which of the values it has follows from its kind.</summary>
public readonly ref struct MqttProperty
{
    /// <summary>Which property it is.</summary>
    public PropertyId Id { get; internal init; }

    /// <summary>The value of a property that is a number; otherwise 0.</summary>
    public uint Number { get; internal init; }

    /// <summary>The value of a property that is text or bytes, or the name of a user property.</summary>
    public ReadOnlySpan<byte> Bytes { get; internal init; }

    /// <summary>The value of a user property.</summary>
    public ReadOnlySpan<byte> UserValue { get; internal init; }
}
