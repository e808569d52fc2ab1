namespace Nave.Mqtt;

/// <summary>A pair that only the two applications understand (MQTT 5 2.2.2.2). Names may repeat; order is kept.</summary>
public readonly record struct UserProperty(string Name, string Value);
