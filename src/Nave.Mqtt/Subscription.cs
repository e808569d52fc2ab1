namespace Nave.Mqtt;

/// <summary>One line of SUBSCRIBE (MQTT 3.8.3).</summary>
/// <param name="Filter">A topic filter, as the client spelled it.</param>
/// <param name="Qos">The highest QoS the client wants: 0, 1 or 2.</param>
/// <param name="NoLocal">MQTT 5: not the client's own messages.</param>
/// <param name="RetainAsPublished">MQTT 5: leave the retain flag as it was.</param>
/// <param name="RetainHandling">MQTT 5: 0 send retained messages, 1 only for a new subscription, 2 never.</param>
public readonly record struct Subscription(
    string Filter, byte Qos, bool NoLocal = false, bool RetainAsPublished = false, byte RetainHandling = 0);
