using System.Buffers;

namespace Nave.Mqtt;

/// <summary>PUBACK, PUBREC, PUBREL and PUBCOMP (MQTT 3.4 to 3.7), which are built alike.</summary>
/// <param name="PacketId">Of the PUBLISH that it belongs to; not zero.</param>
/// <param name="Reason">MQTT 5; success in 3.1.1.</param>
/// <param name="Properties">MQTT 5.</param>
public readonly record struct AckPacket(
    ushort PacketId, ReasonCode Reason = ReasonCode.Success, MqttProperties? Properties = null)
{
    /// <summary>The size of an acknowledgement without reason and properties: all there are in 3.1.1.</summary>
    public const int ShortBytes = 4;

    /// <summary>Reads any of the four. Allocates only for properties.</summary>
    /// <exception cref="MalformedPacketException">It breaks a rule.</exception>
    public static AckPacket Read(in MqttFrame frame, MqttVersion version)
    {
        frame.Expect(CheckedType(frame.Type), version);
        if (frame.Body.Length <= 2)
        {
            return ReadShort(frame.Body);
        }

        var reader = new BodyReader(frame.ContiguousBody);
        var packetId = reader.ReadPacketId();
        if (version is MqttVersion.V311)
        {
            throw new MalformedPacketException(MqttRule.TrailingBytes);
        }

        // MQTT 5 3.4.2.2.1: below a remaining length of 4 there is no property length.
        var reason = reader.ReadByte();
        ReasonCodes.Check(reason, frame.Type);
        var properties = reader.IsAtEnd ? null : PropertyReader.Read(ref reader, PropertyScopeOf(frame.Type));
        reader.ExpectEnd();
        return new AckPacket(packetId, (ReasonCode)reason, properties);
    }

    /// <summary>Writes a PUBACK that says nothing but its packet identifier: four bytes.</summary>
    public static void WritePubAck(Span<byte> destination, ushort packetId) =>
        WriteShort(destination, PacketType.PubAck, packetId);

    /// <summary>Writes an acknowledgement that says nothing but its packet identifier: four bytes.</summary>
    public static void WriteShort(Span<byte> destination, PacketType type, ushort packetId)
    {
        ArgumentOutOfRangeException.ThrowIfZero(packetId);
        destination[3] = (byte)packetId;
        destination[2] = (byte)(packetId >> 8);
        destination[1] = 2;
        destination[0] = FirstByte(type);
    }

    /// <summary>Writes any of the four.</summary>
    /// <exception cref="ArgumentException">What is to be written is not legal.</exception>
    public void Write(IBufferWriter<byte> output, PacketType type, MqttVersion version)
    {
        ArgumentNullException.ThrowIfNull(output);
        var hasProperties = Properties is not null && !ReferenceEquals(Properties, MqttProperties.None);
        if (Reason is ReasonCode.Success && !hasProperties)
        {
            WriteShort(output.GetSpan(ShortBytes), type, PacketId);
            output.Advance(ShortBytes);
            return;
        }

        if (version is MqttVersion.V311)
        {
            throw new ArgumentException("MQTT 3.1.1 acknowledges without reason and properties.");
        }

        var body = new BodyWriter();
        body.WritePacketId(PacketId);
        body.WriteByte((byte)Reason);
        if (hasProperties)
        {
            PropertyWriter.Write(ref body, Properties!, PropertyScopeOf(type)); // Not null: hasProperties says so.
        }

        body.SendTo(output, type, (byte)(FirstByte(type) & 0x0F));
    }

    private static AckPacket ReadShort(in ReadOnlySequence<byte> body)
    {
        Span<byte> bytes = stackalloc byte[2];
        body.CopyTo(bytes);
        var reader = new BodyReader(bytes[..(int)body.Length]);
        return new AckPacket(reader.ReadPacketId());
    }

    private static PropertyScope PropertyScopeOf(PacketType type) => (PropertyScope)(1 << (int)type);

    private static byte FirstByte(PacketType type) =>
        (byte)(((int)CheckedType(type) << 4) | (type is PacketType.PubRel ? 2 : 0));

    private static PacketType CheckedType(PacketType type) =>
        type is >= PacketType.PubAck and <= PacketType.PubComp
            ? type
            : throw new ArgumentOutOfRangeException(nameof(type), type, "Only PUBACK to PUBCOMP are acknowledgements.");
}
