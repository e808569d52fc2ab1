using System.Buffers;

namespace Nave.Mqtt;

/// <summary>AUTH (MQTT 5 3.15): a step of an enhanced authentication, either way.</summary>
/// <param name="Reason">Success, continue or re-authenticate.</param>
/// <param name="Properties">
/// With an authentication method unless the packet is empty. Holds credentials: never log it.
/// </param>
public readonly record struct AuthPacket(ReasonCode Reason = ReasonCode.Success, MqttProperties? Properties = null)
{
    /// <summary>Reads the packet.</summary>
    /// <exception cref="MalformedPacketException">It breaks a rule, or the connection speaks 3.1.1.</exception>
    public static AuthPacket Read(in MqttFrame frame, MqttVersion version)
    {
        frame.Expect(PacketType.Auth, version);
        if (version is MqttVersion.V311)
        {
            throw new MalformedPacketException(MqttRule.ForbiddenPacketType);
        }

        var reader = new BodyReader(frame.ContiguousBody);
        if (reader.IsAtEnd)
        {
            return default; // 3.15.2.1: success without properties is sent as nothing.
        }

        var reason = reader.ReadByte();
        ReasonCodes.Check(reason, PacketType.Auth);
        var properties = PropertyReader.Read(ref reader, PropertyScope.Auth);
        reader.ExpectEnd();
        return properties.AuthenticationMethod is not null
            ? new AuthPacket((ReasonCode)reason, properties)
            : throw new MalformedPacketException(MqttRule.AuthenticationMethodMissing, ReasonCode.ProtocolError);
    }

    /// <summary>Writes the packet.</summary>
    /// <exception cref="ArgumentException">What is to be written is not legal.</exception>
    public void Write(IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        var body = new BodyWriter();
        if (Properties?.AuthenticationMethod is not null)
        {
            body.WriteByte((byte)Reason);
            PropertyWriter.Write(ref body, Properties, PropertyScope.Auth);
        }
        else if (Reason is not ReasonCode.Success)
        {
            throw new ArgumentException("AUTH needs an authentication method.");
        }

        body.SendTo(output, PacketType.Auth);
    }
}
