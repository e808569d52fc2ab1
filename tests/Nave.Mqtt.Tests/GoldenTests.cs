using System.Buffers;
using Nave.Mqtt.Tests.Harness;

namespace Nave.Mqtt.Tests;

public sealed class GoldenTests
{
    public static TheoryData<GoldenPacket> Packets => [.. GoldenPackets311.All, .. GoldenPackets5.All];

    [Theory]
    [MemberData(nameof(Packets))]
    public void A_packet_is_written_as_the_standard_says(GoldenPacket packet)
    {
        var output = new ArrayBufferWriter<byte>();

        packet.Write(output);

        Assert.Equal(Bytes.ToHex(packet.ToBytes()), Bytes.ToHex(output.WrittenSpan));
    }

    [Theory]
    [MemberData(nameof(Packets))]
    public void A_packet_that_is_read_and_written_again_is_the_same(GoldenPacket packet)
    {
        var frame = AnyPacket.FrameOf(packet.Hex);

        var rewritten = AnyPacket.Rewrite(frame, packet.Version);

        Assert.Equal(Bytes.ToHex(packet.ToBytes()), Bytes.ToHex(rewritten));
    }

    [Theory]
    [MemberData(nameof(Packets))]
    public void A_packet_in_any_two_pieces_is_the_same_packet(GoldenPacket packet)
    {
        var bytes = packet.ToBytes();
        for (var at = 0; at <= bytes.Length; at++)
        {
            var rewritten = AnyPacket.Rewrite(AnyPacket.FrameOf(Bytes.TwoPieces(bytes, at)), packet.Version);

            Assert.True(bytes.AsSpan().SequenceEqual(rewritten), $"Cut at {at}: {Bytes.ToHex(rewritten)}");
        }
    }

    [Theory]
    [MemberData(nameof(Packets))]
    public void A_packet_in_single_bytes_is_the_same_packet(GoldenPacket packet)
    {
        var bytes = packet.ToBytes();

        var rewritten = AnyPacket.Rewrite(AnyPacket.FrameOf(Bytes.SingleBytes(bytes)), packet.Version);

        Assert.Equal(Bytes.ToHex(bytes), Bytes.ToHex(rewritten));
    }

    [Theory]
    [MemberData(nameof(Packets))]
    public void A_packet_without_its_end_is_not_there_yet(GoldenPacket packet)
    {
        var bytes = packet.ToBytes();
        for (var length = 0; length < bytes.Length; length++)
        {
            var unread = Bytes.SingleBytes(bytes[..length]);

            Assert.False(FrameReader.TryReadFrame(ref unread, AnyPacket.NoLimit, out _));
            Assert.Equal(length, unread.Length);
        }
    }
}
