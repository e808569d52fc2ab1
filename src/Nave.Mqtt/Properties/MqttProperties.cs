using System.Text;

namespace Nave.Mqtt;

/// <summary>
/// The properties of an MQTT 5 packet or will; null where one is absent, which is not always the same as its default.
/// Which of them a packet may carry is table 2-4 of the standard, checked on reading and on writing.
/// </summary>
public sealed class MqttProperties
{
    /// <summary>No properties.</summary>
    public static MqttProperties None { get; } = new();

    /// <summary>1 when the payload is UTF-8 text. PUBLISH, will.</summary>
    public byte? PayloadFormatIndicator { get; init; }

    /// <summary>Seconds that the message lives. PUBLISH, will.</summary>
    public uint? MessageExpiryInterval { get; init; }

    /// <summary>PUBLISH, will.</summary>
    public string? ContentType { get; init; }

    /// <summary>Where to publish the answer. PUBLISH, will.</summary>
    public string? ResponseTopic { get; init; }

    /// <summary>What the answer repeats. PUBLISH, will.</summary>
    public ReadOnlyMemory<byte>? CorrelationData { get; init; }

    /// <summary>
    /// Which subscriptions matched (PUBLISH, any number) or the identifier to be told then (SUBSCRIBE, one).
    /// </summary>
    public IReadOnlyList<int> SubscriptionIdentifiers { get; init; } = [];

    /// <summary>
    /// Seconds that the session outlives the connection; 0xFFFFFFFF for ever. CONNECT, CONNACK, DISCONNECT.
    /// </summary>
    public uint? SessionExpiryInterval { get; init; }

    /// <summary>CONNACK.</summary>
    public string? AssignedClientIdentifier { get; init; }

    /// <summary>Seconds that replace what the client asked for. CONNACK.</summary>
    public ushort? ServerKeepAlive { get; init; }

    /// <summary>CONNECT, CONNACK, AUTH.</summary>
    public string? AuthenticationMethod { get; init; }

    /// <summary>A credential: never log it. CONNECT, CONNACK, AUTH.</summary>
    public ReadOnlyMemory<byte>? AuthenticationData { get; init; }

    /// <summary>0 when the client wants no reason strings. CONNECT.</summary>
    public byte? RequestProblemInformation { get; init; }

    /// <summary>Seconds between the end of the connection and the will. Will.</summary>
    public uint? WillDelayInterval { get; init; }

    /// <summary>1 when the client wants response information. CONNECT.</summary>
    public byte? RequestResponseInformation { get; init; }

    /// <summary>CONNACK.</summary>
    public string? ResponseInformation { get; init; }

    /// <summary>Another server to use. CONNACK, DISCONNECT.</summary>
    public string? ServerReference { get; init; }

    /// <summary>For people. CONNACK, PUBACK to PUBCOMP, SUBACK, UNSUBACK, DISCONNECT, AUTH.</summary>
    public string? ReasonString { get; init; }

    /// <summary>How many unacknowledged messages the sender of this takes. CONNECT, CONNACK.</summary>
    public ushort? ReceiveMaximum { get; init; }

    /// <summary>How many topic aliases the sender of this takes. CONNECT, CONNACK.</summary>
    public ushort? TopicAliasMaximum { get; init; }

    /// <summary>Stands for a topic name. PUBLISH.</summary>
    public ushort? TopicAlias { get; init; }

    /// <summary>0 or 1; without it, 2. CONNACK.</summary>
    public byte? MaximumQos { get; init; }

    /// <summary>0 when there are no retained messages. CONNACK.</summary>
    public byte? RetainAvailable { get; init; }

    /// <summary>In order, names may repeat. Every packet that has properties.</summary>
    public IReadOnlyList<UserProperty> UserProperties { get; init; } = [];

    /// <summary>The largest packet that the sender of this takes. CONNECT, CONNACK.</summary>
    public uint? MaximumPacketSize { get; init; }

    /// <summary>CONNACK.</summary>
    public byte? WildcardSubscriptionAvailable { get; init; }

    /// <summary>CONNACK.</summary>
    public byte? SubscriptionIdentifierAvailable { get; init; }

    /// <summary>CONNACK.</summary>
    public byte? SharedSubscriptionAvailable { get; init; }

    /// <summary>Creates properties to be set by an initialiser.</summary>
    public MqttProperties()
    {
    }

    /// <summary>Collects properties that have been checked.</summary>
    internal MqttProperties(ReadOnlySpan<byte> properties)
    {
        // Counted first: a stranger's five-byte properties must not make lists grow by doubling.
        var userProperties = NewArray<UserProperty>(Count(properties, PropertyId.UserProperty));
        var subscriptions = NewArray<int>(Count(properties, PropertyId.SubscriptionIdentifier));
        var userCount = 0;
        var subscriptionCount = 0;
        UserProperties = userProperties;
        SubscriptionIdentifiers = subscriptions;

        foreach (var property in new PropertyEnumerator(properties))
        {
            var number = property.Number;
            var bytes = property.Bytes;
            switch (property.Id)
            {
                case PropertyId.PayloadFormatIndicator:
                    PayloadFormatIndicator = (byte)number;
                    break;
                case PropertyId.MessageExpiryInterval:
                    MessageExpiryInterval = number;
                    break;
                case PropertyId.ContentType:
                    ContentType = Text(bytes);
                    break;
                case PropertyId.ResponseTopic:
                    ResponseTopic = Text(bytes);
                    break;
                case PropertyId.CorrelationData:
                    CorrelationData = bytes.ToArray();
                    break;
                case PropertyId.SessionExpiryInterval:
                    SessionExpiryInterval = number;
                    break;
                case PropertyId.AssignedClientIdentifier:
                    AssignedClientIdentifier = Text(bytes);
                    break;
                case PropertyId.ServerKeepAlive:
                    ServerKeepAlive = (ushort)number;
                    break;
                case PropertyId.AuthenticationMethod:
                    AuthenticationMethod = Text(bytes);
                    break;
                case PropertyId.AuthenticationData:
                    AuthenticationData = bytes.ToArray();
                    break;
                case PropertyId.RequestProblemInformation:
                    RequestProblemInformation = (byte)number;
                    break;
                case PropertyId.WillDelayInterval:
                    WillDelayInterval = number;
                    break;
                case PropertyId.RequestResponseInformation:
                    RequestResponseInformation = (byte)number;
                    break;
                case PropertyId.ResponseInformation:
                    ResponseInformation = Text(bytes);
                    break;
                case PropertyId.ServerReference:
                    ServerReference = Text(bytes);
                    break;
                case PropertyId.ReasonString:
                    ReasonString = Text(bytes);
                    break;
                case PropertyId.ReceiveMaximum:
                    ReceiveMaximum = (ushort)number;
                    break;
                case PropertyId.TopicAliasMaximum:
                    TopicAliasMaximum = (ushort)number;
                    break;
                case PropertyId.TopicAlias:
                    TopicAlias = (ushort)number;
                    break;
                case PropertyId.MaximumQos:
                    MaximumQos = (byte)number;
                    break;
                case PropertyId.RetainAvailable:
                    RetainAvailable = (byte)number;
                    break;
                case PropertyId.MaximumPacketSize:
                    MaximumPacketSize = number;
                    break;
                case PropertyId.WildcardSubscriptionAvailable:
                    WildcardSubscriptionAvailable = (byte)number;
                    break;
                case PropertyId.SubscriptionIdentifierAvailable:
                    SubscriptionIdentifierAvailable = (byte)number;
                    break;
                case PropertyId.SharedSubscriptionAvailable:
                    SharedSubscriptionAvailable = (byte)number;
                    break;
                case PropertyId.UserProperty:
                    userProperties[userCount++] = new UserProperty(Text(bytes), Text(property.UserValue));
                    break;
                case PropertyId.SubscriptionIdentifier:
                    subscriptions[subscriptionCount++] = (int)number;
                    break;
            }
        }
    }

    /// <summary>
    /// The properties in their wire form, without their length: for <see cref="PublishPacket.PropertyBytes"/>.
    /// </summary>
    /// <exception cref="ArgumentException">One of them does not belong into PUBLISH, or has no legal value.</exception>
    public byte[] EncodeForPublish()
    {
        var body = new BodyWriter();
        try
        {
            PropertyWriter.WriteWithoutLength(ref body, this, PropertyScope.Publish);
            return body.Written.ToArray();
        }
        finally
        {
            body.Return();
        }
    }

    private static T[] NewArray<T>(int length) => length is 0 ? [] : new T[length];

    private static int Count(ReadOnlySpan<byte> bytes, PropertyId id)
    {
        var count = 0;
        foreach (var property in new PropertyEnumerator(bytes))
        {
            count += property.Id == id ? 1 : 0;
        }

        return count;
    }

    private static string Text(ReadOnlySpan<byte> bytes) => Encoding.UTF8.GetString(bytes);
}
