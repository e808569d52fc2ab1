using System.Buffers;
using System.Text;

namespace Nave.Mqtt.Tests;

/// <summary>One of each MQTT 3.1.1 packet at least.</summary>
internal static class GoldenPackets311
{
    public static IReadOnlyList<GoldenPacket> All { get; } =
    [
        Packet(
            "CONNECT, clean session",
            "10 0d 0004 4d515454 04 02 003c 0001 61",
            o => new ConnectPacket { ClientId = "a", CleanSession = true, KeepAliveSeconds = 60 }.Write(o)),
        Packet(
            "CONNECT, empty client id",
            "10 0c 0004 4d515454 04 02 0000 0000",
            o => new ConnectPacket { ClientId = "", CleanSession = true }.Write(o)),
        Packet(
            "CONNECT, will, user name and password",
            "10 1e 0004 4d515454 04 ec 00b4 0003 646576 0003 772f74 0002 0102 0001 75 0001 70",
            o => new ConnectPacket
            {
                ClientId = "dev",
                KeepAliveSeconds = 180,
                Will = new Will { Topic = "w/t", Payload = new byte[] { 1, 2 }, Qos = 1, Retain = true },
                UserName = "u",
                Password = "p"u8.ToArray(),
            }.Write(o)),
        Packet(
            "CONNECT, empty password",
            "10 12 0004 4d515454 04 c2 003c 0001 61 0001 75 0000",
            o => new ConnectPacket
            {
                ClientId = "a",
                CleanSession = true,
                KeepAliveSeconds = 60,
                UserName = "u",
                Password = Array.Empty<byte>(),
            }.Write(o)),
        Packet(
            "CONNECT, empty user name, will without payload",
            "10 14 0004 4d515454 04 94 ffff 0001 61 0001 77 0000 0000",
            o => new ConnectPacket
            {
                ClientId = "a",
                KeepAliveSeconds = 65535,
                Will = new Will { Topic = "w", Qos = 2 },
                UserName = "",
            }.Write(o)),
        Packet("CONNACK, accepted", "20 02 00 00", o => ConnAckPacket.Write(o, ConnectReturnCode.Accepted)),
        Packet(
            "CONNACK, session present",
            "20 02 01 00",
            o => ConnAckPacket.Write(o, ConnectReturnCode.Accepted, sessionPresent: true)),
        Packet("CONNACK, refused", "20 02 00 05", o => ConnAckPacket.Write(o, ConnectReturnCode.NotAuthorized)),
        Packet(
            "PUBLISH, QoS 0",
            "30 07 0003 612f62 6869",
            o => new PublishPacket { Topic = "a/b"u8, Payload = Payload("hi") }.Write(o, MqttVersion.V311)),
        Packet(
            "PUBLISH, QoS 1, duplicate, retained, empty",
            "3b 07 0003 612f62 000a",
            o => new PublishPacket { Topic = "a/b"u8, Qos = 1, Dup = true, Retain = true, PacketId = 10 }
                .Write(o, MqttVersion.V311)),
        Packet(
            "PUBLISH, QoS 2",
            "34 09 0003 612f62 1234 6869",
            o => new PublishPacket { Topic = "a/b"u8, Qos = 2, PacketId = 0x1234, Payload = Payload("hi") }
                .Write(o, MqttVersion.V311)),
        Packet(
            "PUBLISH, not ASCII",
            "32 0a 0006 c3a92fe282ac 0001",
            o => new PublishPacket { Topic = "é/€"u8, Qos = 1, PacketId = 1 }.Write(o, MqttVersion.V311)),
        Packet(
            "PUBLISH, remaining length of two bytes",
            "30 cb01 0001 74" + string.Concat(Enumerable.Repeat("78", 200)),
            o => new PublishPacket { Topic = "t"u8, Payload = Payload(new string('x', 200)) }
                .Write(o, MqttVersion.V311)),
        Packet("PUBACK", "40 02 0001", o => new AckPacket(1).Write(o, PacketType.PubAck, MqttVersion.V311)),
        Packet("PUBREC", "50 02 1234", o => new AckPacket(0x1234).Write(o, PacketType.PubRec, MqttVersion.V311)),
        Packet("PUBREL", "62 02 ffff", o => new AckPacket(65535).Write(o, PacketType.PubRel, MqttVersion.V311)),
        Packet("PUBCOMP", "70 02 0100", o => new AckPacket(256).Write(o, PacketType.PubComp, MqttVersion.V311)),
        Packet(
            "SUBSCRIBE",
            "82 15 0001 0003 612f23 01 0001 2b 00 0006 2b2f622f2b2f 02",
            o => new SubscribePacket
            {
                PacketId = 1,
                Subscriptions = [new("a/#", 1), new("+", 0), new("+/b/+/", 2)],
            }.Write(o, MqttVersion.V311)),
        Packet(
            "SUBACK",
            "90 06 0001 01 00 02 80",
            o => new SubAckPacket
            {
                PacketId = 1,
                Reasons =
                [
                    ReasonCode.GrantedQos1, ReasonCode.Success, ReasonCode.GrantedQos2, ReasonCode.UnspecifiedError,
                ],
            }.Write(o, MqttVersion.V311)),
        Packet(
            "UNSUBSCRIBE",
            "a2 08 0002 0001 61 0001 23",
            o => new UnsubscribePacket { PacketId = 2, Filters = ["a", "#"] }.Write(o, MqttVersion.V311)),
        Packet("UNSUBACK", "b0 02 0002", o => new UnsubAckPacket { PacketId = 2 }.Write(o, MqttVersion.V311)),
        Packet("PINGREQ", "c0 00", PingPacket.WriteRequest),
        Packet("PINGRESP", "d0 00", PingPacket.WriteResponse),
        Packet("DISCONNECT", "e0 00", o => default(DisconnectPacket).Write(o, MqttVersion.V311)),
    ];

    private static GoldenPacket Packet(string name, string hex, Action<IBufferWriter<byte>> write) =>
        new(name, MqttVersion.V311, hex, write);

    private static ReadOnlySequence<byte> Payload(string text) => new(Encoding.UTF8.GetBytes(text));
}
