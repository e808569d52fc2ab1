namespace Nave.Mqtt;

/// <summary>Property identifiers of MQTT 5 (table 2-4).</summary>
public enum PropertyId : byte
{
    /// <summary>Byte, 0 or 1: the payload is UTF-8 text.</summary>
    PayloadFormatIndicator = 0x01,

    /// <summary>Seconds, four bytes.</summary>
    MessageExpiryInterval = 0x02,

    /// <summary>Text.</summary>
    ContentType = 0x03,

    /// <summary>A topic name.</summary>
    ResponseTopic = 0x08,

    /// <summary>Bytes.</summary>
    CorrelationData = 0x09,

    /// <summary>Variable byte integer, not zero.</summary>
    SubscriptionIdentifier = 0x0B,

    /// <summary>Seconds, four bytes.</summary>
    SessionExpiryInterval = 0x11,

    /// <summary>Text.</summary>
    AssignedClientIdentifier = 0x12,

    /// <summary>Seconds, two bytes.</summary>
    ServerKeepAlive = 0x13,

    /// <summary>Text.</summary>
    AuthenticationMethod = 0x15,

    /// <summary>Bytes.</summary>
    AuthenticationData = 0x16,

    /// <summary>Byte, 0 or 1.</summary>
    RequestProblemInformation = 0x17,

    /// <summary>Seconds, four bytes.</summary>
    WillDelayInterval = 0x18,

    /// <summary>Byte, 0 or 1.</summary>
    RequestResponseInformation = 0x19,

    /// <summary>Text.</summary>
    ResponseInformation = 0x1A,

    /// <summary>Text.</summary>
    ServerReference = 0x1C,

    /// <summary>Text for people.</summary>
    ReasonString = 0x1F,

    /// <summary>Two bytes, not zero.</summary>
    ReceiveMaximum = 0x21,

    /// <summary>Two bytes.</summary>
    TopicAliasMaximum = 0x22,

    /// <summary>Two bytes, not zero.</summary>
    TopicAlias = 0x23,

    /// <summary>Byte, 0 or 1.</summary>
    MaximumQos = 0x24,

    /// <summary>Byte, 0 or 1.</summary>
    RetainAvailable = 0x25,

    /// <summary>A pair of texts; may be repeated.</summary>
    UserProperty = 0x26,

    /// <summary>Four bytes, not zero.</summary>
    MaximumPacketSize = 0x27,

    /// <summary>Byte, 0 or 1.</summary>
    WildcardSubscriptionAvailable = 0x28,

    /// <summary>Byte, 0 or 1.</summary>
    SubscriptionIdentifierAvailable = 0x29,

    /// <summary>Byte, 0 or 1.</summary>
    SharedSubscriptionAvailable = 0x2A,
}
