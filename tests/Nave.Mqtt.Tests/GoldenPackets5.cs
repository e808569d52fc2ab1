using System.Buffers;
using System.Text;
using static Nave.Mqtt.MqttVersion;

namespace Nave.Mqtt.Tests;

/// <summary>Every MQTT 5 packet, with and without every property that it may have.</summary>
internal static class GoldenPackets5
{
    public static IReadOnlyList<GoldenPacket> All { get; } =
    [
        Packet(
            "CONNECT, no properties",
            "10 0e 0004 4d515454 05 02 003c 00 0001 61",
            o => new ConnectPacket { Version = V5, ClientId = "a", CleanSession = true, KeepAliveSeconds = 60 }.Write(o)),
        Packet(
            "CONNECT, every property, password without user name",
            "10 3d 0004 4d515454 05 40 001e 2c 11 ffffffff 15 0003 534153 16 0002 0908 17 00 19 01 21 01b0 "
            + "22 01c8 26 0001 6b 0001 76 26 0001 6b 0000 27 00000064 0001 62 0001 70",
            o => new ConnectPacket
            {
                Version = V5,
                ClientId = "b",
                KeepAliveSeconds = 30,
                Password = "p"u8.ToArray(),
                Properties = new MqttProperties
                {
                    SessionExpiryInterval = uint.MaxValue,
                    AuthenticationMethod = "SAS",
                    AuthenticationData = new byte[] { 9, 8 },
                    RequestProblemInformation = 0,
                    RequestResponseInformation = 1,
                    ReceiveMaximum = 432,
                    TopicAliasMaximum = 456,
                    UserProperties = [new("k", "v"), new("k", "")],
                    MaximumPacketSize = 100,
                },
            }.Write(o)),
        Packet(
            "CONNECT, will with every property",
            "10 3b 0004 4d515454 05 f6 001e 00 0001 63 21 01 01 02 0000003c 03 0001 78 08 0003 722f74 09 "
            + "0001 ff 18 00000005 26 0001 6b 0001 76 0001 77 0001 00 0001 75 0000",
            o => new ConnectPacket
            {
                Version = V5,
                ClientId = "c",
                CleanSession = true,
                KeepAliveSeconds = 30,
                Will = new Will
                {
                    Topic = "w",
                    Payload = new byte[] { 0 },
                    Qos = 2,
                    Retain = true,
                    Properties = new MqttProperties
                    {
                        PayloadFormatIndicator = 1,
                        MessageExpiryInterval = 60,
                        ContentType = "x",
                        ResponseTopic = "r/t",
                        CorrelationData = new byte[] { 255 },
                        WillDelayInterval = 5,
                        UserProperties = [new("k", "v")],
                    },
                },
                UserName = "u",
                Password = Array.Empty<byte>(),
            }.Write(o)),
        Packet(
            "CONNACK, no properties",
            "20 03 01 00 00",
            o => new ConnAckPacket { SessionPresent = true }.Write(o, V5)),
        Packet(
            "CONNACK, refused",
            "20 08 00 87 05 1f 0002 6e6f",
            o => new ConnAckPacket
            {
                Code = (byte)ReasonCode.NotAuthorized,
                Properties = new MqttProperties { ReasonString = "no" },
            }.Write(o, V5)),
        Packet(
            "CONNACK, every property",
            "20 42 00 00 3f 11 000004d2 12 0002 6964 13 0474 15 0003 534153 16 0001 01 1a 0001 69 1c 0001 "
            + "73 1f 0001 72 21 0010 22 000a 24 01 25 00 26 0001 6b 0001 76 27 00040000 28 01 29 00 2a 00",
            o => new ConnAckPacket
            {
                Properties = new MqttProperties
                {
                    SessionExpiryInterval = 1234,
                    AssignedClientIdentifier = "id",
                    ServerKeepAlive = 1140,
                    AuthenticationMethod = "SAS",
                    AuthenticationData = new byte[] { 1 },
                    ResponseInformation = "i",
                    ServerReference = "s",
                    ReasonString = "r",
                    ReceiveMaximum = 16,
                    TopicAliasMaximum = 10,
                    MaximumQos = 1,
                    RetainAvailable = 0,
                    UserProperties = [new("k", "v")],
                    MaximumPacketSize = 262144,
                    WildcardSubscriptionAvailable = 1,
                    SubscriptionIdentifierAvailable = 0,
                    SharedSubscriptionAvailable = 0,
                },
            }.Write(o, V5)),
        Packet(
            "PUBLISH, no properties",
            "30 08 0003 612f62 00 6869",
            o => new PublishPacket { Topic = "a/b"u8, Payload = Payload("hi") }.Write(o, V5)),
        Packet(
            "PUBLISH, every property",
            "3d 30 0001 74 0007 28 01 01 02 0000003c 03 0001 78 08 0001 72 09 0002 0102 0b 01 0b 8001 0b "
            + "ffffff7f 23 ffff 26 0001 6b 0001 76 6869",
            o => new PublishPacket
            {
                Topic = "t"u8,
                Qos = 2,
                Dup = true,
                Retain = true,
                PacketId = 7,
                Payload = Payload("hi"),
                PropertyBytes = new MqttProperties
                {
                    PayloadFormatIndicator = 1,
                    MessageExpiryInterval = 60,
                    ContentType = "x",
                    ResponseTopic = "r",
                    CorrelationData = new byte[] { 1, 2 },
                    SubscriptionIdentifiers = [1, 128, 268_435_455],
                    TopicAlias = 65535,
                    UserProperties = [new("k", "v")],
                }.EncodeForPublish(),
            }.Write(o, V5)),
        Packet(
            "PUBLISH, alias instead of a topic",
            "32 09 0000 0001 03 23 0003 78",
            o => new PublishPacket
            {
                Qos = 1,
                PacketId = 1,
                Payload = Payload("x"),
                PropertyBytes = new MqttProperties { TopicAlias = 3 }.EncodeForPublish(),
            }.Write(o, V5)),
        Packet(
            "PUBLISH, properties with a length of two bytes",
            "30 d001 0001 74 cb01 03 00c8 " + Repeated("79", 200),
            o => new PublishPacket
            {
                Topic = "t"u8,
                PropertyBytes = new MqttProperties { ContentType = new string('y', 200) }.EncodeForPublish(),
            }.Write(o, V5)),
        Packet("PUBACK, success", "40 02 0102", o => new AckPacket(0x0102).Write(o, PacketType.PubAck, V5)),
        Packet(
            "PUBACK, reason",
            "40 03 0001 97",
            o => new AckPacket(1, ReasonCode.QuotaExceeded).Write(o, PacketType.PubAck, V5)),
        Packet(
            "PUBACK, properties",
            "40 0f 0001 00 0b 1f 0001 72 26 0001 6b 0001 76",
            o => new AckPacket(1, ReasonCode.Success, Because).Write(o, PacketType.PubAck, V5)),
        Packet("PUBREC, success", "50 02 0102", o => new AckPacket(0x0102).Write(o, PacketType.PubRec, V5)),
        Packet(
            "PUBREC, reason",
            "50 03 0001 10",
            o => new AckPacket(1, ReasonCode.NoMatchingSubscribers).Write(o, PacketType.PubRec, V5)),
        Packet(
            "PUBREC, properties",
            "50 0f 0001 00 0b 1f 0001 72 26 0001 6b 0001 76",
            o => new AckPacket(1, ReasonCode.Success, Because).Write(o, PacketType.PubRec, V5)),
        Packet("PUBREL, success", "62 02 0102", o => new AckPacket(0x0102).Write(o, PacketType.PubRel, V5)),
        Packet(
            "PUBREL, reason",
            "62 03 0001 92",
            o => new AckPacket(1, ReasonCode.PacketIdentifierNotFound).Write(o, PacketType.PubRel, V5)),
        Packet(
            "PUBREL, properties",
            "62 0f 0001 00 0b 1f 0001 72 26 0001 6b 0001 76",
            o => new AckPacket(1, ReasonCode.Success, Because).Write(o, PacketType.PubRel, V5)),
        Packet("PUBCOMP, success", "70 02 0102", o => new AckPacket(0x0102).Write(o, PacketType.PubComp, V5)),
        Packet(
            "PUBCOMP, reason",
            "70 03 0001 92",
            o => new AckPacket(1, ReasonCode.PacketIdentifierNotFound).Write(o, PacketType.PubComp, V5)),
        Packet(
            "PUBCOMP, properties",
            "70 0f 0001 00 0b 1f 0001 72 26 0001 6b 0001 76",
            o => new AckPacket(1, ReasonCode.Success, Because).Write(o, PacketType.PubComp, V5)),
        Packet(
            "SUBSCRIBE",
            "82 1a 0008 00 0001 61 00 0003 622f23 2d 000a 2473686172652f672f2b 1a",
            o => new SubscribePacket
            {
                PacketId = 8,
                Subscriptions =
                [
                    new("a", 0),
                    new("b/#", 1, NoLocal: true, RetainAsPublished: true, RetainHandling: 2),
                    new("$share/g/+", 2, RetainAsPublished: true, RetainHandling: 1),
                ],
            }.Write(o, V5)),
        Packet(
            "SUBSCRIBE, every property",
            "82 11 0008 0a 0b 9101 26 0001 6b 0001 76 0001 61 01",
            o => new SubscribePacket
            {
                PacketId = 8,
                Subscriptions = [new("a", 1)],
                Properties = new MqttProperties
                {
                    SubscriptionIdentifiers = [145],
                    UserProperties = [new("k", "v")],
                },
            }.Write(o, V5)),
        Packet(
            "SUBACK",
            "90 13 0008 0b 1f 0001 72 26 0001 6b 0001 76 00 01 02 8f a2",
            o => new SubAckPacket
            {
                PacketId = 8,
                Reasons =
                [
                    ReasonCode.Success,
                    ReasonCode.GrantedQos1,
                    ReasonCode.GrantedQos2,
                    ReasonCode.TopicFilterInvalid,
                    ReasonCode.WildcardSubscriptionsNotSupported,
                ],
                Properties = Because,
            }.Write(o, V5)),
        Packet(
            "UNSUBSCRIBE",
            "a2 12 0009 07 26 0001 6b 0001 76 0003 612f23 0001 2b",
            o => new UnsubscribePacket
            {
                PacketId = 9,
                Filters = ["a/#", "+"],
                Properties = new MqttProperties { UserProperties = [new("k", "v")] },
            }.Write(o, V5)),
        Packet(
            "UNSUBACK",
            "b0 10 0009 0b 1f 0001 72 26 0001 6b 0001 76 00 11",
            o => new UnsubAckPacket
            {
                PacketId = 9,
                Reasons = [ReasonCode.Success, ReasonCode.NoSubscriptionExisted],
                Properties = Because,
            }.Write(o, V5)),
        Packet("PINGREQ", "c0 00", o => PingPacket.WriteRequest(o)),
        Packet("PINGRESP", "d0 00", o => PingPacket.WriteResponse(o)),
        Packet("DISCONNECT, normal", "e0 00", o => default(DisconnectPacket).Write(o, V5)),
        Packet("DISCONNECT, reason", "e0 01 8e", o => new DisconnectPacket(ReasonCode.SessionTakenOver).Write(o, V5)),
        Packet(
            "DISCONNECT, every property",
            "e0 16 9c 14 11 00000091 1c 0001 73 1f 0001 72 26 0001 6b 0001 76",
            o => new DisconnectPacket(
                ReasonCode.UseAnotherServer,
                new MqttProperties
                {
                    SessionExpiryInterval = 145,
                    ServerReference = "s",
                    ReasonString = "r",
                    UserProperties = [new("k", "v")],
                }).Write(o, V5)),
        Packet("AUTH, nothing said", "f0 00", o => default(AuthPacket).Write(o)),
        Packet(
            "AUTH, every property",
            "f0 17 19 15 15 0003 534153 16 0001 07 1f 0001 72 26 0001 6b 0001 76",
            o => new AuthPacket(
                ReasonCode.Reauthenticate,
                new MqttProperties
                {
                    AuthenticationMethod = "SAS",
                    AuthenticationData = new byte[] { 7 },
                    ReasonString = "r",
                    UserProperties = [new("k", "v")],
                }).Write(o)),
    ];

    private static MqttProperties Because =>
        new() { ReasonString = "r", UserProperties = [new("k", "v")] };

    private static GoldenPacket Packet(string name, string hex, Action<IBufferWriter<byte>> write) =>
        new(name, V5, hex, write);

    private static ReadOnlySequence<byte> Payload(string text) => new(Encoding.UTF8.GetBytes(text));

    private static string Repeated(string hex, int times) => string.Concat(Enumerable.Repeat(hex, times));
}
