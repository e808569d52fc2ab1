namespace Nave.Mqtt;

/// <summary>
/// The peer sent bytes that no continuation can make a legal packet. Caught once, at the connection's loop, which then
/// closes: there is no way to find the next packet.
/// </summary>
/// <param name="rule">The violated rule, one of <see cref="MqttRule"/>.</param>
/// <param name="reason">What an MQTT 5 peer may be told in DISCONNECT or CONNACK.</param>
public class MalformedPacketException(string rule, ReasonCode reason = ReasonCode.MalformedPacket)
    : Exception($"The peer broke the rule {rule}.")
{
    /// <summary>The violated rule: a short name that stays the same, for logs and tests.</summary>
    public string Rule { get; } = rule;

    /// <summary>What an MQTT 5 peer may be told: malformed packet, protocol error, packet too large and the like.</summary>
    public ReasonCode Reason { get; } = reason;
}

/// <summary>The fixed header announces a packet over the limit in force. Thrown before the packet has arrived.</summary>
/// <param name="packetBytes">The announced size, fixed header included.</param>
/// <param name="maxPacketBytes">The limit.</param>
public sealed class PacketTooLargeException(int packetBytes, int maxPacketBytes)
    : MalformedPacketException(MqttRule.PacketTooLarge, ReasonCode.PacketTooLarge)
{
    /// <summary>The announced size, fixed header included.</summary>
    public int PacketBytes { get; } = packetBytes;

    /// <summary>The limit that was in force.</summary>
    public int MaxPacketBytes { get; } = maxPacketBytes;
}
