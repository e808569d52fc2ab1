using System.Buffers;

namespace Nave.Mqtt;

/// <summary>CONNACK (MQTT 3.2).</summary>
public sealed class ConnAckPacket
{
    private const byte SessionPresentFlag = 0x01;

    /// <summary>The code as it is on the wire; 0 accepts in either version.</summary>
    public byte Code { get; init; }

    /// <summary>The server kept state for this client. Only with <see cref="Code"/> 0.</summary>
    public bool SessionPresent { get; init; }

    /// <summary>MQTT 5.</summary>
    public MqttProperties Properties { get; init; } = MqttProperties.None;

    /// <summary><see cref="Code"/> in the words of 3.1.1.</summary>
    public ConnectReturnCode ReturnCode => (ConnectReturnCode)Code;

    /// <summary><see cref="Code"/> in the words of MQTT 5.</summary>
    public ReasonCode Reason => (ReasonCode)Code;

    /// <summary>Reads the packet.</summary>
    /// <exception cref="MalformedPacketException">It breaks a rule.</exception>
    public static ConnAckPacket Read(in MqttFrame frame, MqttVersion version)
    {
        frame.Expect(PacketType.ConnAck, version);
        var reader = new BodyReader(frame.ContiguousBody);
        var flags = reader.ReadByte();
        var code = reader.ReadByte();
        var properties = version is MqttVersion.V5
            ? PropertyReader.Read(ref reader, PropertyScope.ConnAck)
            : MqttProperties.None;
        reader.ExpectEnd();
        Check(flags, code, version);

        return new ConnAckPacket { Code = code, SessionPresent = flags is SessionPresentFlag, Properties = properties };
    }

    /// <summary>Writes a 3.1.1 CONNACK: four bytes.</summary>
    public static void Write(IBufferWriter<byte> output, ConnectReturnCode code, bool sessionPresent = false) =>
        new ConnAckPacket { Code = (byte)code, SessionPresent = sessionPresent }.Write(output, MqttVersion.V311);

    /// <summary>Writes the packet.</summary>
    /// <exception cref="ArgumentException">What is to be written is not legal.</exception>
    public void Write(IBufferWriter<byte> output, MqttVersion version)
    {
        ArgumentNullException.ThrowIfNull(output);
        if (SessionPresent && Code is not 0)
        {
            throw new ArgumentException("A refusal has no session present.");
        }

        var body = new BodyWriter();
        body.WriteByte(SessionPresent ? SessionPresentFlag : (byte)0);
        body.WriteByte(Code);
        if (version is MqttVersion.V5)
        {
            PropertyWriter.Write(ref body, Properties, PropertyScope.ConnAck);
        }

        body.SendTo(output, PacketType.ConnAck);
    }

    private static void Check(byte flags, byte code, MqttVersion version)
    {
        if (flags > SessionPresentFlag)
        {
            throw new MalformedPacketException(MqttRule.ConnAckReservedFlags);
        }

        if (version is MqttVersion.V5)
        {
            ReasonCodes.Check(code, PacketType.ConnAck);
        }
        else if (code > (byte)ConnectReturnCode.NotAuthorized)
        {
            throw new MalformedPacketException(MqttRule.ConnectReturnCode);
        }

        if (flags is SessionPresentFlag && code is not 0)
        {
            throw new MalformedPacketException(MqttRule.SessionPresentOnRefusal, ReasonCode.ProtocolError);
        }
    }
}
