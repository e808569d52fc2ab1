namespace Nave.Hub.Heads.Mqtt;

/// <summary>What an MQTT client can subscribe to (spec/device-mqtt.md 5).</summary>
[Flags]
internal enum MqttFeeds
{
    /// <summary>Nothing that this identity may have.</summary>
    None = 0,

    /// <summary><c>devices/{id}/messages/devicebound/#</c>.</summary>
    Commands = 1,

    /// <summary><c>$iothub/twin/res/#</c>.</summary>
    TwinResponses = 2,

    /// <summary><c>$iothub/twin/PATCH/properties/desired/#</c>.</summary>
    DesiredProperties = 4,

    /// <summary><c>$iothub/methods/POST/#</c>.</summary>
    Methods = 8,

    /// <summary><c>devices/{id}/modules/{mid}/inputs/#</c>.</summary>
    Inputs = 16,
}
