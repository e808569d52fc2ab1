using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Nave.Mqtt;

/// <summary>
/// PUBLISH (MQTT 3.3), a view on the receive buffer: nothing is copied or allocated, and it is valid as long as the
/// frame it was read from. The hub's hot path.
/// </summary>
public readonly ref struct PublishPacket
{
    private const int RetainFlag = 0x01;
    private const int QosShift = 1;
    private const int DupFlag = 0x08;

    /// <summary>UTF-8, checked: no wildcards, no U+0000. Empty only in MQTT 5 beside a topic alias.</summary>
    public ReadOnlySpan<byte> Topic { get; init; }

    /// <summary>Not zero where <see cref="Qos"/> is 1 or 2; otherwise 0.</summary>
    public ushort PacketId { get; init; }

    /// <summary>0, 1 or 2.</summary>
    public byte Qos { get; init; }

    /// <summary>The sender may have sent it before.</summary>
    public bool Dup { get; init; }

    /// <summary>To the server: keep it. From the server: it was kept.</summary>
    public bool Retain { get; init; }

    /// <summary>Any bytes, as they lie in the buffer.</summary>
    public ReadOnlySequence<byte> Payload { get; init; }

    /// <summary>
    /// MQTT 5: the properties in wire form without their length, checked; to write some, see
    /// <see cref="MqttProperties.EncodeForPublish"/>. Empty in 3.1.1.
    /// </summary>
    public ReadOnlySpan<byte> PropertyBytes { get; init; }

    /// <summary>MQTT 5: walks over the properties without allocating.</summary>
    public PropertyEnumerator Properties => new(PropertyBytes);

    /// <summary>Reads the packet.</summary>
    /// <param name="frame">A frame whose type is <see cref="PacketType.Publish"/>.</param>
    /// <param name="version">What CONNECT agreed on.</param>
    /// <param name="scratch">
    /// Where topic and properties are copied when they lie in two pieces of the receive buffer and fit; otherwise they
    /// are copied into an array of their own. 256 bytes, kept by the connection, make that rare.
    /// </param>
    /// <exception cref="MalformedPacketException">It breaks a rule.</exception>
    public static PublishPacket Read(in MqttFrame frame, MqttVersion version, Span<byte> scratch = default)
    {
        frame.Expect(PacketType.Publish, version);
        var body = frame.Body;
        var qos = (byte)((frame.Flags >> QosShift) & 3);

        var reader = new BodyReader(
            body.IsSingleSegment ? body.FirstSpan : ReadHeaderAcrossSegments(body, version, qos, scratch));
        var topic = reader.ReadBinary();
        var packetId = qos is 0 ? (ushort)0 : reader.ReadPacketId();
        var properties = version is MqttVersion.V5
            ? PropertyReader.ReadChecked(ref reader, PropertyScope.Publish)
            : default;
        CheckTopic(topic, properties, version);

        return new PublishPacket
        {
            Topic = topic,
            PacketId = packetId,
            Qos = qos,
            Dup = (frame.Flags & DupFlag) is not 0,
            Retain = (frame.Flags & RetainFlag) is not 0,
            PropertyBytes = properties,
            Payload = body.Slice(reader.Consumed),
        };
    }

    /// <summary>MQTT 5: the properties as an object. Allocates.</summary>
    public MqttProperties ReadProperties() =>
        PropertyBytes.IsEmpty ? MqttProperties.None : new MqttProperties(PropertyBytes);

    /// <summary>Writes the packet.</summary>
    /// <exception cref="ArgumentException">What is to be written is not legal.</exception>
    public void Write(IBufferWriter<byte> output, MqttVersion version)
    {
        ArgumentNullException.ThrowIfNull(output);
        CheckOwn(version);

        var hasProperties = version is MqttVersion.V5;
        var headerBytes = 2 + Topic.Length + (Qos is 0 ? 0 : 2)
            + (hasProperties ? VariableByteInteger.Measure(PropertyBytes.Length) + PropertyBytes.Length : 0);
        var bodyBytes = checked((int)(headerBytes + Payload.Length));

        var span = output.GetSpan(5 + headerBytes);
        var flags = (Dup ? DupFlag : 0) | (Qos << QosShift) | (Retain ? RetainFlag : 0);
        span[0] = (byte)(((int)PacketType.Publish << 4) | flags);
        var written = 1 + VariableByteInteger.Write(span[1..], bodyBytes);
        BinaryPrimitives.WriteUInt16BigEndian(span[written..], (ushort)Topic.Length);
        Topic.CopyTo(span[(written + 2)..]);
        written += 2 + Topic.Length;
        if (Qos is not 0)
        {
            BinaryPrimitives.WriteUInt16BigEndian(span[written..], PacketId);
            written += 2;
        }

        if (hasProperties)
        {
            written += VariableByteInteger.Write(span[written..], PropertyBytes.Length);
            PropertyBytes.CopyTo(span[written..]);
            written += PropertyBytes.Length;
        }

        output.Advance(written);
        foreach (var piece in Payload)
        {
            output.Write(piece.Span);
        }
    }

    // MQTT 5 3.3.2.3.4: an alias stands for the topic, which may then be empty.
    private static void CheckTopic(ReadOnlySpan<byte> topic, ReadOnlySpan<byte> properties, MqttVersion version)
    {
        if (!topic.IsEmpty || version is MqttVersion.V311)
        {
            TopicName.Check(topic);
            return;
        }

        foreach (var property in new PropertyEnumerator(properties))
        {
            if (property.Id is PropertyId.TopicAlias)
            {
                return;
            }
        }

        throw new MalformedPacketException(MqttRule.TopicAliasMissing, ReasonCode.ProtocolError);
    }

    /// <summary>Everything before the payload, in one piece.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ReadOnlySpan<byte> ReadHeaderAcrossSegments(
        scoped in ReadOnlySequence<byte> body, MqttVersion version, byte qos, Span<byte> scratch)
    {
        var headerBytes = MeasureHeader(body, version, qos);
        if (headerBytes <= body.FirstSpan.Length)
        {
            return body.FirstSpan[..headerBytes];
        }

        var copy = headerBytes <= scratch.Length ? scratch[..headerBytes] : new byte[headerBytes];
        body.Slice(0, headerBytes).CopyTo(copy);
        return copy;
    }

    // Judges nothing: what runs past the body's end is cut there, so that the reader finds the same fault in one piece
    // and in many.
    private static int MeasureHeader(in ReadOnlySequence<byte> body, MqttVersion version, byte qos)
    {
        var reader = new SequenceReader<byte>(body);
        if (!reader.TryReadBigEndian(out short topicBytes))
        {
            return (int)body.Length;
        }

        var headerBytes = 2L + (ushort)topicBytes + (qos is 0 ? 0 : 2);
        if (version is MqttVersion.V5 && headerBytes < body.Length)
        {
            reader.Advance(headerBytes - 2);
            headerBytes += MeasureProperties(ref reader);
        }

        return (int)Math.Min(headerBytes, body.Length);
    }

    private static int MeasureProperties(ref SequenceReader<byte> reader)
    {
        var propertyBytes = 0;
        for (var i = 0; i < 4 && reader.TryRead(out var next); i++)
        {
            propertyBytes |= (next & 0x7F) << (7 * i);
            if (next < 0x80)
            {
                return propertyBytes + i + 1;
            }
        }

        return 4;
    }

    private void CheckOwn(MqttVersion version)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Qos, 2);
        if (Qos is 0 ? Dup || PacketId is not 0 : PacketId is 0)
        {
            throw new ArgumentException("Packet identifier (not zero) and DUP belong to QoS 1 and 2.");
        }

        if (version is MqttVersion.V311 && !PropertyBytes.IsEmpty)
        {
            throw new ArgumentException("MQTT 3.1.1 has no properties.");
        }

        if (Topic.Length > ushort.MaxValue || (Topic.IsEmpty && version is MqttVersion.V311))
        {
            throw new ArgumentException("A topic has 1 to 65,535 bytes.");
        }
    }
}
