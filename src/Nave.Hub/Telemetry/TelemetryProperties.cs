using Nave.Hub.Faults;
using Nave.Hub.Heartbeats;
using Nave.Protocol.Messages;

namespace Nave.Hub.Telemetry;

/// <summary>
/// The properties of a telemetry message, encoded once as readers will get them. Immutable; a head keeps one per topic
/// or per distinct set, so that the hot path copies bytes and parses nothing.
/// </summary>
internal sealed class TelemetryProperties
{
    private TelemetryProperties(MessageProperties properties, byte[] encoded, int countedBytes)
    {
        Properties = properties;
        Encoded = encoded;
        CountedBytes = countedBytes;
        Heartbeat = HeartbeatSignal.TryRead(properties.Application, properties.CreationTime);
    }

    /// <summary>No properties at all.</summary>
    public static TelemetryProperties Empty { get; } = From(MessageProperties.Empty);

    /// <summary>The properties themselves, for routing.</summary>
    public MessageProperties Properties { get; }

    /// <summary>The message block of a stored event: see <see cref="EventEncoding"/>.</summary>
    public ReadOnlyMemory<byte> Encoded { get; }

    /// <summary>System property values plus application property names and values, in UTF-8 bytes: what counts towards the size limit besides the body.</summary>
    public int CountedBytes { get; }

    /// <summary>What the message says to the heartbeat monitor, or null.</summary>
    public HeartbeatSignal? Heartbeat { get; }

    /// <summary>The fault that the device asks for, or null. Read when asked for, which is only where fault injection is on.</summary>
    public FaultRequest? Fault => FaultRequest.TryRead(Properties.Application);

    /// <summary>Encodes properties. Those that the hub stamps itself are dropped here, so that no device can set them (spec/security.md 9).</summary>
    public static TelemetryProperties From(MessageProperties properties) =>
        new(properties, EventEncoding.EncodeMessageBlock(properties), EventEncoding.CountBytes(properties));
}
