using System.Buffers;

namespace Nave.Mqtt;

/// <summary>SUBSCRIBE (MQTT 3.8). Owns its data.</summary>
public sealed class SubscribePacket
{
    private const byte Flags = 2;
    private const int QosMask = 0x03;
    private const int NoLocalFlag = 0x04;
    private const int RetainAsPublishedFlag = 0x08;
    private const int RetainHandlingShift = 4;

    /// <summary>Filter length, one character, options.</summary>
    private const int MinSubscriptionBytes = 4;

    /// <summary>Not zero.</summary>
    public ushort PacketId { get; init; }

    /// <summary>At least one; SUBACK answers them in this order.</summary>
    public required IReadOnlyList<Subscription> Subscriptions { get; init; }

    /// <summary>MQTT 5.</summary>
    public MqttProperties Properties { get; init; } = MqttProperties.None;

    /// <summary>Reads the packet.</summary>
    /// <exception cref="MalformedPacketException">It breaks a rule.</exception>
    public static SubscribePacket Read(in MqttFrame frame, MqttVersion version)
    {
        frame.Expect(PacketType.Subscribe, version);
        var reader = new BodyReader(frame.ContiguousBody);
        var packetId = reader.ReadPacketId();
        var properties = version is MqttVersion.V5
            ? PropertyReader.Read(ref reader, PropertyScope.Subscribe)
            : MqttProperties.None;
        if (reader.IsAtEnd)
        {
            throw new MalformedPacketException(MqttRule.SubscribeEmpty, ReasonCode.ProtocolError);
        }

        var subscriptions = new List<Subscription>(Math.Min(4, reader.Unread / MinSubscriptionBytes));
        while (!reader.IsAtEnd)
        {
            subscriptions.Add(ReadSubscription(ref reader, version));
        }

        return new SubscribePacket { PacketId = packetId, Subscriptions = subscriptions, Properties = properties };
    }

    /// <summary>Writes the packet.</summary>
    /// <exception cref="ArgumentException">What is to be written is not legal.</exception>
    public void Write(IBufferWriter<byte> output, MqttVersion version)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentOutOfRangeException.ThrowIfZero(Subscriptions.Count);
        var body = new BodyWriter();
        body.WritePacketId(PacketId);
        if (version is MqttVersion.V5)
        {
            PropertyWriter.Write(ref body, Properties, PropertyScope.Subscribe);
        }

        foreach (var subscription in Subscriptions)
        {
            body.WriteString(subscription.Filter);
            body.WriteByte(ComposeOptions(subscription, version));
        }

        body.SendTo(output, PacketType.Subscribe, Flags);
    }

    private static Subscription ReadSubscription(ref BodyReader reader, MqttVersion version)
    {
        var filter = reader.ReadBinary();
        TopicFilter.Check(filter, version);
        var options = reader.ReadByte();
        var reservedFrom = version is MqttVersion.V5 ? 0x40 : 0x04;
        if (options >= reservedFrom || (options & QosMask) is 3)
        {
            throw new MalformedPacketException(MqttRule.SubscribeOptions);
        }

        var retainHandling = options >> RetainHandlingShift;
        if (retainHandling is 3)
        {
            throw new MalformedPacketException(MqttRule.SubscribeOptions, ReasonCode.ProtocolError);
        }

        var noLocal = (options & NoLocalFlag) is not 0;
        if (noLocal && TopicFilter.IsShared(filter))
        {
            throw new MalformedPacketException(MqttRule.NoLocalOnSharedSubscription, ReasonCode.ProtocolError);
        }

        return new Subscription(
            Utf8Text.Strict.GetString(filter),
            (byte)(options & QosMask),
            noLocal,
            (options & RetainAsPublishedFlag) is not 0,
            (byte)retainHandling);
    }

    private static byte ComposeOptions(in Subscription subscription, MqttVersion version)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(subscription.Qos, 2);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(subscription.RetainHandling, 2);
        var extras = (subscription.NoLocal ? NoLocalFlag : 0)
            | (subscription.RetainAsPublished ? RetainAsPublishedFlag : 0)
            | (subscription.RetainHandling << RetainHandlingShift);
        if (extras is not 0 && version is MqttVersion.V311)
        {
            throw new ArgumentException("MQTT 3.1.1 subscribes with a QoS only.");
        }

        return (byte)(subscription.Qos | extras);
    }
}
