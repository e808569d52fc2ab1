namespace Nave.Mqtt;

/// <summary>Reads and checks the properties of an MQTT 5 packet (2.2.2).</summary>
internal static class PropertyReader
{
    /// <summary>Takes the properties of a packet or will off the reader: their length, then as many bytes, checked.</summary>
    /// <exception cref="MalformedPacketException">They break a rule.</exception>
    public static ReadOnlySpan<byte> ReadChecked(scoped ref BodyReader reader, PropertyScope scope)
    {
        var bytes = reader.ReadBytes(reader.ReadVariableByteInteger());
        if (!bytes.IsEmpty)
        {
            Check(bytes, scope);
        }

        return bytes;
    }

    /// <summary>As <see cref="ReadChecked"/>, into an object.</summary>
    public static MqttProperties Read(ref BodyReader reader, PropertyScope scope)
    {
        var bytes = ReadChecked(ref reader, scope);
        return bytes.IsEmpty ? MqttProperties.None : new MqttProperties(bytes);
    }

    public static MqttProperty ReadOne(scoped ref BodyReader reader, out PropertyRow row)
    {
        var id = reader.ReadByte();
        row = PropertyTable.Find(id);
        return row.Kind switch
        {
            PropertyKind.Byte => new() { Id = (PropertyId)id, Number = reader.ReadByte() },
            PropertyKind.TwoBytes => new() { Id = (PropertyId)id, Number = reader.ReadUInt16() },
            PropertyKind.FourBytes => new() { Id = (PropertyId)id, Number = reader.ReadUInt32() },
            PropertyKind.VariableByteInteger => new()
            {
                Id = (PropertyId)id,
                Number = (uint)reader.ReadVariableByteInteger(),
            },
            PropertyKind.TextPair => new()
            {
                Id = (PropertyId)id,
                Bytes = reader.ReadBinary(),
                UserValue = reader.ReadBinary(),
            },
            _ => new() { Id = (PropertyId)id, Bytes = reader.ReadBinary() },
        };
    }

    private static void Check(ReadOnlySpan<byte> bytes, PropertyScope scope)
    {
        var seen = 0UL; // Identifiers end at 0x2A: one bit each.
        var reader = new BodyReader(bytes);
        while (!reader.IsAtEnd)
        {
            var property = ReadOne(ref reader, out var row);
            if ((row.Scope & scope) is PropertyScope.None)
            {
                throw new MalformedPacketException(MqttRule.PropertyNotAllowed, ReasonCode.ProtocolError);
            }

            var bit = 1UL << (int)property.Id;
            if ((seen & bit) is not 0 && !MayRepeat(property.Id, scope))
            {
                throw new MalformedPacketException(MqttRule.PropertyDuplicate, ReasonCode.ProtocolError);
            }

            seen |= bit;
            CheckValue(property, row);
        }

        const ulong method = 1UL << (int)PropertyId.AuthenticationMethod;
        const ulong data = 1UL << (int)PropertyId.AuthenticationData;
        if ((seen & (method | data)) is data)
        {
            throw new MalformedPacketException(MqttRule.AuthenticationMethodMissing, ReasonCode.ProtocolError);
        }
    }

    private static bool MayRepeat(PropertyId id, PropertyScope scope) =>
        id is PropertyId.UserProperty || (id is PropertyId.SubscriptionIdentifier && scope is PropertyScope.Publish);

    private static void CheckValue(in MqttProperty property, in PropertyRow row)
    {
        switch (row.Kind)
        {
            case PropertyKind.Text when property.Id is PropertyId.ResponseTopic:
                CheckResponseTopic(property.Bytes);
                break;
            case PropertyKind.Text:
                Utf8Text.Check(property.Bytes);
                break;
            case PropertyKind.TextPair:
                Utf8Text.Check(property.Bytes);
                Utf8Text.Check(property.UserValue);
                break;
            case PropertyKind.Binary:
                break;
            default:
                if (property.Number < row.Min || property.Number > row.Max)
                {
                    throw new MalformedPacketException(MqttRule.PropertyValue, ReasonCode.ProtocolError);
                }

                break;
        }
    }

    private static void CheckResponseTopic(ReadOnlySpan<byte> topic)
    {
        switch (TopicName.FindFault(topic))
        {
            case null:
                break;
            case MqttRule.TopicNameWildcard:
                throw new MalformedPacketException(MqttRule.ResponseTopicWildcard, ReasonCode.ProtocolError);
            case var rule:
                throw new MalformedPacketException(rule);
        }
    }
}
