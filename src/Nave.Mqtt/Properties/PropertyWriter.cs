using System.Diagnostics;

namespace Nave.Mqtt;

/// <summary>Writes the properties of an MQTT 5 packet, by rising identifier.</summary>
internal static class PropertyWriter
{
    /// <summary>Writes length and properties.</summary>
    public static void Write(ref BodyWriter output, MqttProperties properties, PropertyScope scope)
    {
        if (ReferenceEquals(properties, MqttProperties.None))
        {
            output.WriteByte(0);
            return;
        }

        var body = new BodyWriter();
        try
        {
            WriteWithoutLength(ref body, properties, scope);
            output.WriteVariableByteInteger(body.Length);
            output.WriteBytes(body.Written);
        }
        finally
        {
            body.Return();
        }
    }

    public static void WriteWithoutLength(ref BodyWriter output, MqttProperties properties, PropertyScope scope)
    {
        WriteNumber(ref output, PropertyId.PayloadFormatIndicator, properties.PayloadFormatIndicator, scope);
        WriteNumber(ref output, PropertyId.MessageExpiryInterval, properties.MessageExpiryInterval, scope);
        WriteText(ref output, PropertyId.ContentType, properties.ContentType, scope);
        WriteText(ref output, PropertyId.ResponseTopic, properties.ResponseTopic, scope);
        WriteBinary(ref output, PropertyId.CorrelationData, properties.CorrelationData, scope);

        foreach (var identifier in properties.SubscriptionIdentifiers)
        {
            WriteNumber(ref output, PropertyId.SubscriptionIdentifier, (uint)identifier, scope);
        }

        WriteNumber(ref output, PropertyId.SessionExpiryInterval, properties.SessionExpiryInterval, scope);
        WriteText(ref output, PropertyId.AssignedClientIdentifier, properties.AssignedClientIdentifier, scope);
        WriteNumber(ref output, PropertyId.ServerKeepAlive, properties.ServerKeepAlive, scope);
        WriteText(ref output, PropertyId.AuthenticationMethod, properties.AuthenticationMethod, scope);
        WriteBinary(ref output, PropertyId.AuthenticationData, properties.AuthenticationData, scope);
        WriteNumber(ref output, PropertyId.RequestProblemInformation, properties.RequestProblemInformation, scope);
        WriteNumber(ref output, PropertyId.WillDelayInterval, properties.WillDelayInterval, scope);
        WriteNumber(ref output, PropertyId.RequestResponseInformation, properties.RequestResponseInformation, scope);
        WriteText(ref output, PropertyId.ResponseInformation, properties.ResponseInformation, scope);
        WriteText(ref output, PropertyId.ServerReference, properties.ServerReference, scope);
        WriteText(ref output, PropertyId.ReasonString, properties.ReasonString, scope);
        WriteNumber(ref output, PropertyId.ReceiveMaximum, properties.ReceiveMaximum, scope);
        WriteNumber(ref output, PropertyId.TopicAliasMaximum, properties.TopicAliasMaximum, scope);
        WriteNumber(ref output, PropertyId.TopicAlias, properties.TopicAlias, scope);
        WriteNumber(ref output, PropertyId.MaximumQos, properties.MaximumQos, scope);
        WriteNumber(ref output, PropertyId.RetainAvailable, properties.RetainAvailable, scope);

        foreach (var property in properties.UserProperties)
        {
            Begin(ref output, PropertyId.UserProperty, scope);
            output.WriteString(property.Name);
            output.WriteString(property.Value);
        }

        WriteNumber(ref output, PropertyId.MaximumPacketSize, properties.MaximumPacketSize, scope);
        WriteNumber(ref output, PropertyId.WildcardSubscriptionAvailable, properties.WildcardSubscriptionAvailable, scope);
        WriteNumber(ref output, PropertyId.SubscriptionIdentifierAvailable, properties.SubscriptionIdentifierAvailable, scope);
        WriteNumber(ref output, PropertyId.SharedSubscriptionAvailable, properties.SharedSubscriptionAvailable, scope);
    }

    private static void WriteNumber(ref BodyWriter output, PropertyId id, uint? number, PropertyScope scope)
    {
        if (number is not { } value)
        {
            return;
        }

        var row = Begin(ref output, id, scope);
        if (value < row.Min || value > row.Max)
        {
            throw new ArgumentException($"{id} cannot be {value}.");
        }

        switch (row.Kind)
        {
            case PropertyKind.Byte:
                output.WriteByte((byte)value);
                break;
            case PropertyKind.TwoBytes:
                output.WriteUInt16((ushort)value);
                break;
            case PropertyKind.FourBytes:
                output.WriteUInt32(value);
                break;
            case PropertyKind.VariableByteInteger:
                output.WriteVariableByteInteger((int)value);
                break;
            default:
                throw new UnreachableException();
        }
    }

    private static void WriteText(ref BodyWriter output, PropertyId id, string? text, PropertyScope scope)
    {
        if (text is not null)
        {
            Begin(ref output, id, scope);
            output.WriteString(text);
        }
    }

    private static void WriteBinary(
        ref BodyWriter output, PropertyId id, ReadOnlyMemory<byte>? bytes, PropertyScope scope)
    {
        if (bytes is { } value)
        {
            Begin(ref output, id, scope);
            output.WriteBinary(value.Span);
        }
    }

    private static PropertyRow Begin(ref BodyWriter output, PropertyId id, PropertyScope scope)
    {
        var row = PropertyTable.Find((byte)id);
        if ((row.Scope & scope) is PropertyScope.None)
        {
            throw new ArgumentException($"{id} does not belong into {scope}.");
        }

        output.WriteByte((byte)id);
        return row;
    }
}
