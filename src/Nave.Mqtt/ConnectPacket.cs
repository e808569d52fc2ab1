using System.Buffers;

namespace Nave.Mqtt;

/// <summary>CONNECT (MQTT 3.1). Owns its data. Has no text form, since it holds a password.</summary>
public sealed class ConnectPacket
{
    private const byte ReservedFlag = 0x01;
    private const byte CleanSessionFlag = 0x02;
    private const byte WillFlag = 0x04;
    private const int WillQosShift = 3;
    private const byte WillRetainFlag = 0x20;
    private const byte PasswordFlag = 0x40;
    private const byte UserNameFlag = 0x80;

    /// <summary>Which version the connection speaks from here on.</summary>
    public MqttVersion Version { get; init; } = MqttVersion.V311;

    /// <summary>
    /// May be empty: a 3.1.1 server then answers <see cref="ConnectReturnCode.IdentifierRejected"/> unless
    /// <see cref="CleanSession"/> is set (MQTT-3.1.3-8).
    /// </summary>
    public required string ClientId { get; init; }

    /// <summary>Clean Start in MQTT 5: forget what was kept for this client.</summary>
    public bool CleanSession { get; init; }

    /// <summary>0: none.</summary>
    public ushort KeepAliveSeconds { get; init; }

    /// <summary>Null: none.</summary>
    public Will? Will { get; init; }

    /// <summary>Null where absent; an empty one is not.</summary>
    public string? UserName { get; init; }

    /// <summary>Null where absent; an empty one is not.</summary>
    public ReadOnlyMemory<byte>? Password { get; init; }

    /// <summary>MQTT 5.</summary>
    public MqttProperties Properties { get; init; } = MqttProperties.None;

    /// <summary>Reads a CONNECT whose <see cref="ConnectProtocol"/> is supported.</summary>
    /// <exception cref="MalformedPacketException">It breaks a rule.</exception>
    public static ConnectPacket Read(in MqttFrame frame)
    {
        var body = frame.ContiguousBody;
        var reader = new BodyReader(body);
        frame.Expect(PacketType.Connect, MqttVersion.V311);
        var version = ReadVersion(ref reader);
        frame.Expect(PacketType.Connect, version);

        var flags = ReadFlags(ref reader, version);
        var keepAlive = reader.ReadUInt16();
        var properties = ReadProperties(ref reader, version, PropertyScope.Connect);

        // MQTT-3.1.3-1: client identifier, will, user name, password, in this order.
        var clientId = reader.ReadString();
        var will = (flags & WillFlag) is not 0 ? ReadWill(ref reader, version, flags) : null;
        var userName = (flags & UserNameFlag) is not 0 ? reader.ReadString() : null;
        var password = (flags & PasswordFlag) is not 0
            ? reader.ReadBinary().ToArray()
            : default(ReadOnlyMemory<byte>?); // Not null: it would become an empty array, and then an empty password.
        reader.ExpectEnd();

        return new ConnectPacket
        {
            Version = version,
            ClientId = clientId,
            CleanSession = (flags & CleanSessionFlag) is not 0,
            KeepAliveSeconds = keepAlive,
            Will = will,
            UserName = userName,
            Password = password,
            Properties = properties,
        };
    }

    /// <summary>Writes the packet.</summary>
    /// <exception cref="ArgumentException">What is to be written is not legal.</exception>
    public void Write(IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        if (Version is MqttVersion.V311 && Password is not null && UserName is null)
        {
            throw new ArgumentException("MQTT 3.1.1 has no password without a user name.");
        }

        var body = new BodyWriter();
        body.WriteBinary("MQTT"u8);
        body.WriteByte((byte)Version);
        body.WriteByte(ComposeFlags());
        body.WriteUInt16(KeepAliveSeconds);
        if (Version is MqttVersion.V5)
        {
            PropertyWriter.Write(ref body, Properties, PropertyScope.Connect);
        }

        body.WriteString(ClientId);
        if (Will is not null)
        {
            WriteWill(ref body, Will);
        }

        if (UserName is not null)
        {
            body.WriteString(UserName);
        }

        if (Password is { } password)
        {
            body.WriteBinary(password.Span);
        }

        body.SendTo(output, PacketType.Connect);
    }

    private static MqttVersion ReadVersion(ref BodyReader reader)
    {
        var protocol = ConnectProtocol.Read(ref reader);
        return protocol.IsSupported
            ? (MqttVersion)protocol.Level
            : throw new MalformedPacketException(
                protocol.Name is "MQTT" ? MqttRule.ProtocolLevel : MqttRule.ProtocolName,
                ReasonCode.UnsupportedProtocolVersion);
    }

    private static byte ReadFlags(ref BodyReader reader, MqttVersion version)
    {
        var flags = reader.ReadByte();
        var hasWill = (flags & WillFlag) is not 0;
        var willQos = (flags >> WillQosShift) & 3;
        var broken =
            (flags & ReservedFlag) is not 0 ? MqttRule.ConnectReservedFlag
            : !hasWill && willQos is not 0 ? MqttRule.WillQosWithoutWill
            : !hasWill && (flags & WillRetainFlag) is not 0 ? MqttRule.WillRetainWithoutWill
            : willQos is 3 ? MqttRule.WillQos
            : version is MqttVersion.V311 && (flags & (UserNameFlag | PasswordFlag)) is PasswordFlag
                ? MqttRule.PasswordWithoutUserName
            : null;
        return broken is null ? flags : throw new MalformedPacketException(broken);
    }

    private static Will ReadWill(ref BodyReader reader, MqttVersion version, byte flags)
    {
        var properties = ReadProperties(ref reader, version, PropertyScope.Will);
        var topic = reader.ReadBinary();
        TopicName.Check(topic);
        return new Will
        {
            Topic = Utf8Text.Strict.GetString(topic),
            Payload = reader.ReadBinary().ToArray(),
            Qos = (byte)((flags >> WillQosShift) & 3),
            Retain = (flags & WillRetainFlag) is not 0,
            Properties = properties,
        };
    }

    private static MqttProperties ReadProperties(ref BodyReader reader, MqttVersion version, PropertyScope scope) =>
        version is MqttVersion.V5 ? PropertyReader.Read(ref reader, scope) : MqttProperties.None;

    private void WriteWill(ref BodyWriter body, Will will)
    {
        if (Version is MqttVersion.V5)
        {
            PropertyWriter.Write(ref body, will.Properties, PropertyScope.Will);
        }

        body.WriteString(will.Topic);
        body.WriteBinary(will.Payload.Span);
    }

    private byte ComposeFlags()
    {
        var flags = CleanSession ? CleanSessionFlag : 0;
        if (Will is not null)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan(Will.Qos, 2);
            flags |= WillFlag | (Will.Qos << WillQosShift) | (Will.Retain ? WillRetainFlag : 0);
        }

        flags |= (UserName is not null ? UserNameFlag : 0) | (Password is not null ? PasswordFlag : 0);
        return (byte)flags;
    }
}
