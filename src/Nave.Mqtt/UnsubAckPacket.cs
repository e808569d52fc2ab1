using System.Buffers;

namespace Nave.Mqtt;

/// <summary>UNSUBACK (MQTT 3.11). Owns its data.</summary>
public sealed class UnsubAckPacket
{
    /// <summary>Of the UNSUBSCRIBE that it answers.</summary>
    public ushort PacketId { get; init; }

    /// <summary>MQTT 5: one for each filter, in order. Empty in 3.1.1.</summary>
    public IReadOnlyList<ReasonCode> Reasons { get; init; } = [];

    /// <summary>MQTT 5.</summary>
    public MqttProperties Properties { get; init; } = MqttProperties.None;

    /// <summary>Reads the packet.</summary>
    /// <exception cref="MalformedPacketException">It breaks a rule.</exception>
    public static UnsubAckPacket Read(in MqttFrame frame, MqttVersion version)
    {
        frame.Expect(PacketType.UnsubAck, version);
        var reader = new BodyReader(frame.ContiguousBody);
        var packetId = reader.ReadPacketId();
        if (version is MqttVersion.V311)
        {
            reader.ExpectEnd();
            return new UnsubAckPacket { PacketId = packetId };
        }

        var properties = PropertyReader.Read(ref reader, PropertyScope.UnsubAck);
        if (reader.IsAtEnd)
        {
            throw new MalformedPacketException(MqttRule.SubAckEmpty, ReasonCode.ProtocolError);
        }

        var reasons = new ReasonCode[reader.Unread];
        for (var i = 0; i < reasons.Length; i++)
        {
            var code = reader.ReadByte();
            ReasonCodes.Check(code, PacketType.UnsubAck);
            reasons[i] = (ReasonCode)code;
        }

        return new UnsubAckPacket { PacketId = packetId, Reasons = reasons, Properties = properties };
    }

    /// <summary>Writes the packet.</summary>
    /// <exception cref="ArgumentException">What is to be written is not legal.</exception>
    public void Write(IBufferWriter<byte> output, MqttVersion version)
    {
        ArgumentNullException.ThrowIfNull(output);
        var body = new BodyWriter();
        body.WritePacketId(PacketId);
        if (version is MqttVersion.V5)
        {
            ArgumentOutOfRangeException.ThrowIfZero(Reasons.Count);
            PropertyWriter.Write(ref body, Properties, PropertyScope.UnsubAck);
            foreach (var reason in Reasons)
            {
                body.WriteByte((byte)reason);
            }
        }

        body.SendTo(output, PacketType.UnsubAck);
    }
}
