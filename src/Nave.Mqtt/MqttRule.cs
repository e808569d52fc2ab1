namespace Nave.Mqtt;

/// <summary>
/// Names of the rules that a peer can break. <c>MQTT-…</c> is the number of a normative statement of MQTT 3.1.1, also
/// where MQTT 5 says the same under another number; <c>MQTT5-…</c> is one that only MQTT 5 has; words name what both
/// leave unnumbered.
/// </summary>
public static class MqttRule
{
    /// <summary>Over the receiver's limit.</summary>
    public const string PacketTooLarge = "packet-too-large";

    /// <summary>Packet type 0, or AUTH before MQTT 5 (table 2.1: forbidden).</summary>
    public const string ForbiddenPacketType = "forbidden-packet-type";

    /// <summary>Reserved flags of the fixed header have a fixed value.</summary>
    public const string ReservedFlags = "MQTT-2.2.2-2";

    /// <summary>The remaining length has at most four bytes (2.2.3).</summary>
    public const string RemainingLength = "remaining-length";

    /// <summary>A field runs past the end of its packet.</summary>
    public const string TruncatedPacket = "truncated-packet";

    /// <summary>Bytes are left over behind the last field.</summary>
    public const string TrailingBytes = "trailing-bytes";

    /// <summary>Text is well-formed UTF-8, without surrogates.</summary>
    public const string Utf8 = "MQTT-1.5.3-1";

    /// <summary>Text holds no U+0000.</summary>
    public const string Utf8Null = "MQTT-1.5.3-2";

    /// <summary>Packet identifiers are not zero.</summary>
    public const string PacketIdZero = "MQTT-2.3.1-1";

    /// <summary>The protocol name is MQTT.</summary>
    public const string ProtocolName = "MQTT-3.1.2-1";

    /// <summary>The protocol level is one the receiver speaks. Answer with CONNACK 1: see <see cref="ConnectProtocol"/>.</summary>
    public const string ProtocolLevel = "MQTT-3.1.2-2";

    /// <summary>The lowest connect flag is reserved and zero.</summary>
    public const string ConnectReservedFlag = "MQTT-3.1.2-3";

    /// <summary>Without a will its QoS is zero.</summary>
    public const string WillQosWithoutWill = "MQTT-3.1.2-13";

    /// <summary>The will's QoS is not 3.</summary>
    public const string WillQos = "MQTT-3.1.2-14";

    /// <summary>Without a will its retain flag is zero.</summary>
    public const string WillRetainWithoutWill = "MQTT-3.1.2-15";

    /// <summary>3.1.1: no password without a user name.</summary>
    public const string PasswordWithoutUserName = "MQTT-3.1.2-22";

    /// <summary>Bits 7 to 1 of the CONNACK flags are reserved and zero (3.2.2.1).</summary>
    public const string ConnAckReservedFlags = "connack-reserved-flags";

    /// <summary>A refusing CONNACK has no session present.</summary>
    public const string SessionPresentOnRefusal = "MQTT-3.2.2-4";

    /// <summary>3.1.1: return codes of CONNACK are 0 to 5 (table 3.1).</summary>
    public const string ConnectReturnCode = "connect-return-code";

    /// <summary>A PUBLISH of QoS 0 is not a duplicate.</summary>
    public const string DupOnQos0 = "MQTT-3.3.1-2";

    /// <summary>There is no QoS 3.</summary>
    public const string Qos3 = "MQTT-3.3.1-4";

    /// <summary>Topic names hold no wildcards.</summary>
    public const string TopicNameWildcard = "MQTT-3.3.2-2";

    /// <summary>Topic names and filters have at least one character.</summary>
    public const string TopicEmpty = "MQTT-4.7.3-1";

    /// <summary><c>#</c> stands alone or behind a slash, and last.</summary>
    public const string MultiLevelWildcard = "MQTT-4.7.1-2";

    /// <summary><c>+</c> fills its level.</summary>
    public const string SingleLevelWildcard = "MQTT-4.7.1-3";

    /// <summary>SUBSCRIBE names at least one filter.</summary>
    public const string SubscribeEmpty = "MQTT-3.8.3-3";

    /// <summary>The requested QoS is 0 to 2 and the reserved bits beside it are zero.</summary>
    public const string SubscribeOptions = "MQTT-3.8.3-4";

    /// <summary>SUBACK codes are 0, 1, 2 and 0x80.</summary>
    public const string SubAckCode = "MQTT-3.9.3-2";

    /// <summary>SUBACK, and in MQTT 5 UNSUBACK, answers at least one filter.</summary>
    public const string SubAckEmpty = "suback-empty";

    /// <summary>UNSUBSCRIBE names at least one filter.</summary>
    public const string UnsubscribeEmpty = "MQTT-3.10.3-2";

    /// <summary>MQTT 5: variable byte integers have at most four bytes, and no more than they need.</summary>
    public const string VariableByteInteger = "MQTT5-1.5.5-1";

    /// <summary>MQTT 5: no such property identifier (table 2-4).</summary>
    public const string PropertyUnknown = "property-unknown";

    /// <summary>MQTT 5: the property does not belong into this packet (table 2-4).</summary>
    public const string PropertyNotAllowed = "property-not-allowed";

    /// <summary>MQTT 5: only user properties, and subscription identifiers of PUBLISH, may be repeated.</summary>
    public const string PropertyDuplicate = "property-duplicate";

    /// <summary>MQTT 5: the value is not one that the property may have.</summary>
    public const string PropertyValue = "property-value";

    /// <summary>MQTT 5: authentication data needs a method; AUTH needs one as soon as it has properties.</summary>
    public const string AuthenticationMethodMissing = "authentication-method-missing";

    /// <summary>MQTT 5: a response topic holds no wildcards.</summary>
    public const string ResponseTopicWildcard = "MQTT5-3.3.2-14";

    /// <summary>MQTT 5: an empty topic name needs a topic alias (3.3.2.1).</summary>
    public const string TopicAliasMissing = "topic-alias-missing";

    /// <summary>MQTT 5: the reason code is not one that this packet may carry.</summary>
    public const string ReasonCode = "reason-code";

    /// <summary>MQTT 5: no "no local" on a shared subscription.</summary>
    public const string NoLocalOnSharedSubscription = "MQTT5-3.8.3-4";

    /// <summary>MQTT 5: a share name has at least one character, no wildcards, and a filter behind it.</summary>
    public const string ShareName = "MQTT5-4.8.2-2";
}
