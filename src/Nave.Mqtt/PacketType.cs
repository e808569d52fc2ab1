namespace Nave.Mqtt;

/// <summary>Control packet types; the value is the high half of a packet's first byte (MQTT 2.2.1).</summary>
public enum PacketType : byte
{
    /// <summary>Client to server, first and once.</summary>
    Connect = 1,

    /// <summary>Answers CONNECT.</summary>
    ConnAck = 2,

    /// <summary>A message, either way.</summary>
    Publish = 3,

    /// <summary>Answers a PUBLISH of QoS 1.</summary>
    PubAck = 4,

    /// <summary>First answer to a PUBLISH of QoS 2.</summary>
    PubRec = 5,

    /// <summary>Answers PUBREC.</summary>
    PubRel = 6,

    /// <summary>Answers PUBREL.</summary>
    PubComp = 7,

    /// <summary>Client to server.</summary>
    Subscribe = 8,

    /// <summary>Answers SUBSCRIBE.</summary>
    SubAck = 9,

    /// <summary>Client to server.</summary>
    Unsubscribe = 10,

    /// <summary>Answers UNSUBSCRIBE.</summary>
    UnsubAck = 11,

    /// <summary>Client to server.</summary>
    PingReq = 12,

    /// <summary>Answers PINGREQ.</summary>
    PingResp = 13,

    /// <summary>Client to server; in MQTT 5 either way.</summary>
    Disconnect = 14,

    /// <summary>MQTT 5 only: a step of an enhanced authentication.</summary>
    Auth = 15,
}
