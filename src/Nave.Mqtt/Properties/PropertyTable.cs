namespace Nave.Mqtt;

/// <summary>Table 2-4 of MQTT 5: what each property is made of, where it may stand, and which values it may have.</summary>
internal static class PropertyTable
{
    private static readonly PropertyRow[] Rows = Build();

    /// <exception cref="MalformedPacketException">There is no such property.</exception>
    public static PropertyRow Find(byte id)
    {
        if (id < Rows.Length && Rows[id].Scope is not PropertyScope.None)
        {
            return Rows[id];
        }

        throw new MalformedPacketException(MqttRule.PropertyUnknown);
    }

    private static PropertyRow[] Build()
    {
        var rows = new PropertyRow[(int)PropertyId.SharedSubscriptionAvailable + 1];

        Add(PropertyId.PayloadFormatIndicator, PropertyKind.Byte, PropertyScope.Messages, max: 1);
        Add(PropertyId.MessageExpiryInterval, PropertyKind.FourBytes, PropertyScope.Messages);
        Add(PropertyId.ContentType, PropertyKind.Text, PropertyScope.Messages);
        Add(PropertyId.ResponseTopic, PropertyKind.Text, PropertyScope.Messages);
        Add(PropertyId.CorrelationData, PropertyKind.Binary, PropertyScope.Messages);
        Add(
            PropertyId.SubscriptionIdentifier,
            PropertyKind.VariableByteInteger,
            PropertyScope.Publish | PropertyScope.Subscribe,
            min: 1);
        Add(
            PropertyId.SessionExpiryInterval,
            PropertyKind.FourBytes,
            PropertyScope.Connect | PropertyScope.ConnAck | PropertyScope.Disconnect);
        Add(PropertyId.AssignedClientIdentifier, PropertyKind.Text, PropertyScope.ConnAck);
        Add(PropertyId.ServerKeepAlive, PropertyKind.TwoBytes, PropertyScope.ConnAck);
        Add(
            PropertyId.AuthenticationMethod,
            PropertyKind.Text,
            PropertyScope.Connect | PropertyScope.ConnAck | PropertyScope.Auth);
        Add(
            PropertyId.AuthenticationData,
            PropertyKind.Binary,
            PropertyScope.Connect | PropertyScope.ConnAck | PropertyScope.Auth);
        Add(PropertyId.RequestProblemInformation, PropertyKind.Byte, PropertyScope.Connect, max: 1);
        Add(PropertyId.WillDelayInterval, PropertyKind.FourBytes, PropertyScope.Will);
        Add(PropertyId.RequestResponseInformation, PropertyKind.Byte, PropertyScope.Connect, max: 1);
        Add(PropertyId.ResponseInformation, PropertyKind.Text, PropertyScope.ConnAck);
        Add(PropertyId.ServerReference, PropertyKind.Text, PropertyScope.ConnAck | PropertyScope.Disconnect);
        Add(PropertyId.ReasonString, PropertyKind.Text, PropertyScope.Answers);
        Add(
            PropertyId.ReceiveMaximum,
            PropertyKind.TwoBytes,
            PropertyScope.Connect | PropertyScope.ConnAck,
            min: 1);
        Add(PropertyId.TopicAliasMaximum, PropertyKind.TwoBytes, PropertyScope.Connect | PropertyScope.ConnAck);
        Add(PropertyId.TopicAlias, PropertyKind.TwoBytes, PropertyScope.Publish, min: 1);
        Add(PropertyId.MaximumQos, PropertyKind.Byte, PropertyScope.ConnAck, max: 1);
        Add(PropertyId.RetainAvailable, PropertyKind.Byte, PropertyScope.ConnAck, max: 1);
        Add(PropertyId.UserProperty, PropertyKind.TextPair, PropertyScope.All);
        Add(
            PropertyId.MaximumPacketSize,
            PropertyKind.FourBytes,
            PropertyScope.Connect | PropertyScope.ConnAck,
            min: 1);
        Add(PropertyId.WildcardSubscriptionAvailable, PropertyKind.Byte, PropertyScope.ConnAck, max: 1);
        Add(PropertyId.SubscriptionIdentifierAvailable, PropertyKind.Byte, PropertyScope.ConnAck, max: 1);
        Add(PropertyId.SharedSubscriptionAvailable, PropertyKind.Byte, PropertyScope.ConnAck, max: 1);
        return rows;

        void Add(PropertyId id, PropertyKind kind, PropertyScope scope, uint min = 0, uint max = uint.MaxValue) =>
            rows[(int)id] = new PropertyRow(kind, scope, min, max);
    }
}

/// <summary>One row of the table.</summary>
internal readonly record struct PropertyRow(PropertyKind Kind, PropertyScope Scope, uint Min, uint Max);

/// <summary>What a property's value is made of.</summary>
internal enum PropertyKind : byte
{
    Byte,
    TwoBytes,
    FourBytes,
    VariableByteInteger,
    Text,
    Binary,
    TextPair,
}
