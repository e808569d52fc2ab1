using System.Buffers;
using Nave.Mqtt.Tests.Harness;

namespace Nave.Mqtt.Tests;

public sealed class AllocationTests
{
    private const int Messages = 10_000;

    [Theory]
    [InlineData(1 << 22)] // In one piece.
    [InlineData(4096)] // In Kestrel's pieces: headers, topics and payloads lie across their borders.
    public void Reading_and_acknowledging_messages_allocates_nothing(int pieceBytes)
    {
        var received = Receive(pieceBytes);
        var answers = new byte[Messages * AckPacket.ShortBytes];
        var scratch = new byte[256];
        Acknowledge(received, answers, scratch); // Once before, so that everything is compiled.

        var before = GC.GetAllocatedBytesForCurrentThread();
        var acknowledged = Acknowledge(received, answers, scratch);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.Equal(Messages, acknowledged);
        Assert.Equal(0, allocated);
    }

    [Fact]
    public void The_smallest_fields_grow_no_more_than_the_decision_says()
    {
        const int limit = 65_536;
        var userProperties = Enumerable.Repeat(Bytes.FromHex("26 0001 6b 0000"), 10_000).SelectMany(b => b).ToArray();
        var filters = Enumerable.Repeat(Bytes.FromHex("0001 61 00"), 16_000).SelectMany(b => b).ToArray();
        byte[] connect = [.. Bytes.FromHex("0004 4d515454 05 02 003c e0d403"), .. userProperties, 0, 1, 97];
        byte[] subscribe = [.. Bytes.FromHex("0001"), .. filters];

        Assert.InRange(Allocated(0x10, connect, MqttVersion.V5), 1, 32 * limit);
        Assert.InRange(Allocated(0x82, subscribe, MqttVersion.V311), 1, 32 * limit);
    }

    [Fact]
    public void A_message_full_of_properties_allocates_nothing()
    {
        var userProperties = Enumerable.Repeat(Bytes.FromHex("26 0001 6b 0000"), 10_000).SelectMany(b => b).ToArray();

        Assert.Equal(0, Allocated(0x30, [.. Bytes.FromHex("0001 74 e0d403"), .. userProperties], MqttVersion.V5));
    }

    private static long Allocated(byte first, byte[] body, MqttVersion version)
    {
        byte[] length = [(byte)(body.Length | 0x80), (byte)((body.Length >> 7) | 0x80), (byte)(body.Length >> 14)];
        var frame = AnyPacket.FrameOf(Bytes.OnePiece([first, .. length, .. body]));
        AnyPacket.Read(frame, version); // Once before, so that everything is compiled.

        var before = GC.GetAllocatedBytesForCurrentThread();
        AnyPacket.Read(frame, version);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static ReadOnlySequence<byte> Receive(int pieceBytes)
    {
        var output = new ArrayBufferWriter<byte>();
        for (var i = 1; i <= Messages; i++)
        {
            new PublishPacket
            {
                Topic = "devices/a-device/messages/events/"u8,
                Qos = 1,
                PacketId = (ushort)i,
                Payload = new ReadOnlySequence<byte>(new byte[256]),
            }.Write(output, MqttVersion.V311);
        }

        return Bytes.Pieces([.. output.WrittenSpan.ToArray().Chunk(pieceBytes)]);
    }

    private static int Acknowledge(ReadOnlySequence<byte> unread, Span<byte> answers, Span<byte> scratch)
    {
        var acknowledged = 0;
        while (FrameReader.TryReadFrame(ref unread, 65_536, out var frame))
        {
            var publish = PublishPacket.Read(frame, MqttVersion.V311, scratch);
            if (publish.Payload.Length is 256 && publish.PacketId == acknowledged + 1)
            {
                AckPacket.WritePubAck(answers[(acknowledged * AckPacket.ShortBytes)..], publish.PacketId);
                acknowledged++;
            }
        }

        return acknowledged;
    }
}
