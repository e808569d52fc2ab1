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
