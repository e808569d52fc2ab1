using System.Buffers;

namespace Nave.Mqtt;

/// <summary>UNSUBSCRIBE (MQTT 3.10). Owns its data.</summary>
public sealed class UnsubscribePacket
{
    private const byte Flags = 2;

    /// <summary>Not zero.</summary>
    public ushort PacketId { get; init; }

    /// <summary>At least one.</summary>
    public required IReadOnlyList<string> Filters { get; init; }

    /// <summary>MQTT 5.</summary>
    public MqttProperties Properties { get; init; } = MqttProperties.None;

    /// <summary>Reads the packet.</summary>
    /// <exception cref="MalformedPacketException">It breaks a rule.</exception>
    public static UnsubscribePacket Read(in MqttFrame frame, MqttVersion version)
    {
        frame.Expect(PacketType.Unsubscribe, version);
        var reader = new BodyReader(frame.ContiguousBody);
        var packetId = reader.ReadPacketId();
        var properties = version is MqttVersion.V5
            ? PropertyReader.Read(ref reader, PropertyScope.Unsubscribe)
            : MqttProperties.None;
        if (reader.IsAtEnd)
        {
            throw new MalformedPacketException(MqttRule.UnsubscribeEmpty, ReasonCode.ProtocolError);
        }

        var filters = new List<string>(1);
        while (!reader.IsAtEnd)
        {
            var filter = reader.ReadBinary();
            TopicFilter.Check(filter, version);
            filters.Add(Utf8Text.Strict.GetString(filter));
        }

        return new UnsubscribePacket { PacketId = packetId, Filters = filters, Properties = properties };
    }

    /// <summary>Writes the packet.</summary>
    /// <exception cref="ArgumentException">What is to be written is not legal.</exception>
    public void Write(IBufferWriter<byte> output, MqttVersion version)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentOutOfRangeException.ThrowIfZero(Filters.Count);
        var body = new BodyWriter();
        body.WritePacketId(PacketId);
        if (version is MqttVersion.V5)
        {
            PropertyWriter.Write(ref body, Properties, PropertyScope.Unsubscribe);
        }

        foreach (var filter in Filters)
        {
            body.WriteString(filter);
        }

        body.SendTo(output, PacketType.Unsubscribe, Flags);
    }
}
