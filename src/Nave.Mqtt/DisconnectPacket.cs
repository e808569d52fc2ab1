using System.Buffers;

namespace Nave.Mqtt;

/// <summary>DISCONNECT (MQTT 3.14). In 3.1.1 only clients send it, and it says nothing.</summary>
/// <param name="Reason">MQTT 5.</param>
/// <param name="Properties">MQTT 5.</param>
public readonly record struct DisconnectPacket(
    ReasonCode Reason = ReasonCode.Success, MqttProperties? Properties = null)
{
    /// <summary>Reads the packet.</summary>
    /// <exception cref="MalformedPacketException">It breaks a rule.</exception>
    public static DisconnectPacket Read(in MqttFrame frame, MqttVersion version)
    {
        frame.Expect(PacketType.Disconnect, version);
        var reader = new BodyReader(frame.ContiguousBody);
        if (version is MqttVersion.V311)
        {
            reader.ExpectEnd();
        }

        if (reader.IsAtEnd)
        {
            return default;
        }

        // MQTT 5 3.14.2.2.1: below a remaining length of 2 there is no property length.
        var reason = reader.ReadByte();
        ReasonCodes.Check(reason, PacketType.Disconnect);
        var properties = reader.IsAtEnd ? null : PropertyReader.Read(ref reader, PropertyScope.Disconnect);
        reader.ExpectEnd();
        return new DisconnectPacket((ReasonCode)reason, properties);
    }

    /// <summary>Writes the packet.</summary>
    /// <exception cref="ArgumentException">What is to be written is not legal.</exception>
    public void Write(IBufferWriter<byte> output, MqttVersion version)
    {
        ArgumentNullException.ThrowIfNull(output);
        var hasProperties = Properties is not null && !ReferenceEquals(Properties, MqttProperties.None);
        if (version is MqttVersion.V311 && (Reason is not ReasonCode.Success || hasProperties))
        {
            throw new ArgumentException("MQTT 3.1.1 disconnects without reason and properties.");
        }

        var body = new BodyWriter();
        if (Reason is not ReasonCode.Success || hasProperties)
        {
            body.WriteByte((byte)Reason);
        }

        if (hasProperties)
        {
            PropertyWriter.Write(ref body, Properties!, PropertyScope.Disconnect); // Not null: hasProperties says so.
        }

        body.SendTo(output, PacketType.Disconnect);
    }
}
