using System.Buffers;

namespace Nave.Mqtt;

/// <summary>SUBACK (MQTT 3.9). Owns its data.</summary>
public sealed class SubAckPacket
{
    /// <summary>Of the SUBSCRIBE that it answers.</summary>
    public ushort PacketId { get; init; }

    /// <summary>One for each subscription, in order: the granted QoS, or a failure (3.1.1 knows only 0x80).</summary>
    public required IReadOnlyList<ReasonCode> Reasons { get; init; }

    /// <summary>MQTT 5.</summary>
    public MqttProperties Properties { get; init; } = MqttProperties.None;

    /// <summary>Reads the packet.</summary>
    /// <exception cref="MalformedPacketException">It breaks a rule.</exception>
    public static SubAckPacket Read(in MqttFrame frame, MqttVersion version)
    {
        frame.Expect(PacketType.SubAck, version);
        var reader = new BodyReader(frame.ContiguousBody);
        var packetId = reader.ReadPacketId();
        var properties = version is MqttVersion.V5
            ? PropertyReader.Read(ref reader, PropertyScope.SubAck)
            : MqttProperties.None;
        if (reader.IsAtEnd)
        {
            throw new MalformedPacketException(MqttRule.SubAckEmpty, ReasonCode.ProtocolError);
        }

        var reasons = new ReasonCode[reader.Unread];
        for (var i = 0; i < reasons.Length; i++)
        {
            reasons[i] = ReadReason(ref reader, version);
        }

        return new SubAckPacket { PacketId = packetId, Reasons = reasons, Properties = properties };
    }

    /// <summary>Writes the packet.</summary>
    /// <exception cref="ArgumentException">What is to be written is not legal.</exception>
    public void Write(IBufferWriter<byte> output, MqttVersion version)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentOutOfRangeException.ThrowIfZero(Reasons.Count);
        var body = new BodyWriter();
        body.WritePacketId(PacketId);
        if (version is MqttVersion.V5)
        {
            PropertyWriter.Write(ref body, Properties, PropertyScope.SubAck);
        }

        foreach (var reason in Reasons)
        {
            body.WriteByte((byte)reason);
        }

        body.SendTo(output, PacketType.SubAck);
    }

    private static ReasonCode ReadReason(ref BodyReader reader, MqttVersion version)
    {
        var code = reader.ReadByte();
        if (version is MqttVersion.V5)
        {
            ReasonCodes.Check(code, PacketType.SubAck);
        }
        else if (code is not (<= 2 or 0x80))
        {
            throw new MalformedPacketException(MqttRule.SubAckCode);
        }

        return (ReasonCode)code;
    }
}
