namespace Nave.Protocol;

/// <summary>The service's limits, each with its source. Where a hub may lift one, the option's default is taken from here.</summary>
public static class HubLimits
{
    /// <summary>Body + system property values + application property names and values of a device-to-cloud message, in bytes (spec/device-mqtt.md 3 rule 7).</summary>
    public const int MaxTelemetryBytes = 262_144;

    /// <summary>A CONNECT packet, in bytes (design.md 4).</summary>
    public const int MaxConnectBytes = 64 * 1024;

    /// <summary>A SAS token, in bytes (spec/security.md 2.1).</summary>
    public const int MaxTokenBytes = 4096;

    /// <summary>Message id, in characters (spec/device-mqtt.md 4).</summary>
    public const int MaxMessageIdLength = 128;

    /// <summary>Devices in one bulk request or list (spec/service-rest.md 4.4).</summary>
    public const int MaxBulkDevices = 100;

    /// <summary>Devices in one list answer (spec/service-rest.md 4.3).</summary>
    public const int MaxListedDevices = 1000;

    /// <summary>Modules on one device (spec/service-rest.md 5).</summary>
    public const int MaxModulesPerDevice = 50;

    /// <summary>Devices and modules of a hub (spec/service-rest.md 4.2).</summary>
    public const int MaxIdentities = 1_000_000;

    /// <summary>Shared access policies of a hub (spec/security.md 4).</summary>
    public const int MaxPolicies = 16;

    /// <summary>Consumer groups of the events endpoint, $Default included (spec/events-endpoint.md 7).</summary>
    public const int MaxConsumerGroups = 20;

    /// <summary>Readers without owner level per consumer group and partition (spec/events-endpoint.md 3.2).</summary>
    public const int MaxReadersPerPartition = 5;

    /// <summary>Filters of one MQTT session at a time; the documented five, with room for samples that subscribe to more (spec/device-mqtt.md 5).</summary>
    public const int MaxMqttSubscriptions = 50;

    /// <summary>TLS handshake, in seconds (design.md 4).</summary>
    public const int HandshakeTimeoutSeconds = 10;

    /// <summary>From the end of the handshake until a peer is authenticated, in seconds (design.md 4).</summary>
    public const int AuthenticationTimeoutSeconds = 10;

    /// <summary>Upper bound of the server-side MQTT keep-alive timeout, in seconds (spec/device-mqtt.md 2.3).</summary>
    public const int MaxKeepAliveTimeoutSeconds = 1767;

    /// <summary>Objects or arrays below a twin's section (spec/service-rest.md 6.3).</summary>
    public const int MaxTwinDepth = 10;

    /// <summary>A key of a twin, in bytes (spec/service-rest.md 6.3).</summary>
    public const int MaxTwinKeyBytes = 1024;

    /// <summary>A string of a twin, in bytes (spec/service-rest.md 6.3).</summary>
    public const int MaxTwinStringBytes = 4096;

    /// <summary>The least integer of a twin, -2^52 (spec/service-rest.md 6.3).</summary>
    public const long MinTwinInteger = -4_503_599_627_370_496;

    /// <summary>The greatest integer of a twin, 2^52-1 (spec/service-rest.md 6.3).</summary>
    public const long MaxTwinInteger = 4_503_599_627_370_495;

    /// <summary>A patch of a twin as JSON, before anything is counted: room for escapes and blanks beyond a section's limit.</summary>
    public const int MaxTwinPatchBytes = 128 * 1024;

    /// <summary>Configurations of a hub (spec/service-rest.md 10).</summary>
    public const int MaxConfigurations = 100;

    /// <summary>Metrics of its own that a configuration may have (spec/service-rest.md 10).</summary>
    public const int MaxConfigurationMetrics = 5;
}
