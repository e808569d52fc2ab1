using System.Buffers;

namespace Nave.Mqtt.Tests.Harness;

/// <summary>Reads whatever packet it is given, for tests that go over all of them.</summary>
internal static class AnyPacket
{
    public const int NoLimit = 256 * 1024 * 1024;

    public static MqttFrame FrameOf(ReadOnlySequence<byte> bytes)
    {
        Assert.True(FrameReader.TryReadFrame(ref bytes, NoLimit, out var frame), "The packet is not complete.");
        Assert.True(bytes.IsEmpty, "Something is left behind the packet.");
        return frame;
    }

    public static MqttFrame FrameOf(string hex) => FrameOf(Bytes.OnePiece(Bytes.FromHex(hex)));

    /// <summary>Reads the packet and throws it away.</summary>
    public static void Read(in MqttFrame frame, MqttVersion version)
    {
        switch (frame.Type)
        {
            case PacketType.Connect:
                ConnectPacket.Read(frame);
                break;
            case PacketType.ConnAck:
                ConnAckPacket.Read(frame, version);
                break;
            case PacketType.Publish:
                PublishPacket.Read(frame, version);
                break;
            case PacketType.PubAck or PacketType.PubRec or PacketType.PubRel or PacketType.PubComp:
                AckPacket.Read(frame, version);
                break;
            case PacketType.Subscribe:
                SubscribePacket.Read(frame, version);
                break;
            case PacketType.SubAck:
                SubAckPacket.Read(frame, version);
                break;
            case PacketType.Unsubscribe:
                UnsubscribePacket.Read(frame, version);
                break;
            case PacketType.UnsubAck:
                UnsubAckPacket.Read(frame, version);
                break;
            case PacketType.PingReq or PacketType.PingResp:
                break;
            case PacketType.Disconnect:
                DisconnectPacket.Read(frame, version);
                break;
            case PacketType.Auth:
                AuthPacket.Read(frame, version);
                break;
            default:
                Assert.Fail($"No such packet type: {frame.Type}.");
                break;
        }
    }

    /// <summary>Reads the packet and writes what was read.</summary>
    public static byte[] Rewrite(in MqttFrame frame, MqttVersion version)
    {
        var output = new ArrayBufferWriter<byte>();
        switch (frame.Type)
        {
            case PacketType.Connect:
                ConnectPacket.Read(frame).Write(output);
                break;
            case PacketType.ConnAck:
                ConnAckPacket.Read(frame, version).Write(output, version);
                break;
            case PacketType.Publish:
                PublishPacket.Read(frame, version).Write(output, version);
                break;
            case PacketType.PubAck or PacketType.PubRec or PacketType.PubRel or PacketType.PubComp:
                AckPacket.Read(frame, version).Write(output, frame.Type, version);
                break;
            case PacketType.Subscribe:
                SubscribePacket.Read(frame, version).Write(output, version);
                break;
            case PacketType.SubAck:
                SubAckPacket.Read(frame, version).Write(output, version);
                break;
            case PacketType.Unsubscribe:
                UnsubscribePacket.Read(frame, version).Write(output, version);
                break;
            case PacketType.UnsubAck:
                UnsubAckPacket.Read(frame, version).Write(output, version);
                break;
            case PacketType.PingReq:
                PingPacket.WriteRequest(output);
                break;
            case PacketType.PingResp:
                PingPacket.WriteResponse(output);
                break;
            case PacketType.Disconnect:
                DisconnectPacket.Read(frame, version).Write(output, version);
                break;
            case PacketType.Auth:
                AuthPacket.Read(frame, version).Write(output);
                break;
            default:
                Assert.Fail($"No such packet type: {frame.Type}.");
                break;
        }

        return output.WrittenSpan.ToArray();
    }
}
