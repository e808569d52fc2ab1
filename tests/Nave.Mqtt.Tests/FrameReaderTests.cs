using Nave.Mqtt.Tests.Harness;

namespace Nave.Mqtt.Tests;

public sealed class FrameReaderTests
{
    [Fact]
    public void Packets_behind_one_another_come_one_by_one()
    {
        var unread = Bytes.OnePiece(Bytes.FromHex("c000 40020001 3007 0003612f62 6869 30"));

        Assert.True(FrameReader.TryReadFrame(ref unread, 100, out var ping));
        Assert.True(FrameReader.TryReadFrame(ref unread, 100, out var ack));
        Assert.True(FrameReader.TryReadFrame(ref unread, 100, out var publish));

        Assert.Equal(
            [PacketType.PingReq, PacketType.PubAck, PacketType.Publish], [ping.Type, ack.Type, publish.Type]);
        Assert.False(FrameReader.TryReadFrame(ref unread, 100, out _));
        Assert.Equal(1, unread.Length);
    }

    [Theory]
    [InlineData("30 00", 0)]
    [InlineData("30 7f", 127)]
    [InlineData("30 80 01", 128)]
    [InlineData("30 ff 7f", 16_383)]
    [InlineData("30 80 80 01", 16_384)]
    [InlineData("30 ff ff 7f", 2_097_151)]
    [InlineData("30 80 80 80 01", 2_097_152)]
    public void The_remaining_length_is_one_to_four_bytes(string header, int bodyBytes)
    {
        var bytes = Bytes.FromHex(header);
        var unread = Bytes.Pieces(bytes, new byte[bodyBytes]);

        Assert.True(FrameReader.TryReadFrame(ref unread, AnyPacket.NoLimit, out var frame));

        Assert.Equal(bodyBytes, frame.Body.Length);
    }

    [Fact]
    public void The_limit_counts_the_whole_packet_and_is_kept_to_the_byte()
    {
        var fits = Bytes.OnePiece(Bytes.FromHex("30 07 0003612f62 6869"));
        var isOver = Bytes.OnePiece(Bytes.FromHex("30 08 0003612f62 686921"));

        Assert.True(FrameReader.TryReadFrame(ref fits, maxPacketBytes: 9, out _));
        var refusal = Assert.Throws<PacketTooLargeException>(
            () => FrameReader.TryReadFrame(ref isOver, maxPacketBytes: 9, out _));

        Assert.Equal((10, 9), (refusal.PacketBytes, refusal.MaxPacketBytes));
        Assert.Equal((MqttRule.PacketTooLarge, ReasonCode.PacketTooLarge), (refusal.Rule, refusal.Reason));
    }

    [Fact]
    public void A_packet_over_the_limit_is_refused_before_it_has_arrived()
    {
        var unread = Bytes.OnePiece(Bytes.FromHex("10 ff ff ff 7f"));

        var refusal = Assert.Throws<PacketTooLargeException>(
            () => FrameReader.TryReadFrame(ref unread, maxPacketBytes: 65_536, out _));

        Assert.Equal(268_435_460, refusal.PacketBytes);
    }

    [Fact]
    public void A_remaining_length_in_more_bytes_than_it_needs_is_legal_in_3_1_1_only()
    {
        var frame = AnyPacket.FrameOf("40 82 80 00 0001");

        Assert.Equal(1, AckPacket.Read(frame, MqttVersion.V311).PacketId);
        Assert.Equal(
            MqttRule.VariableByteInteger,
            Assert.Throws<MalformedPacketException>(() => AckPacket.Read(frame, MqttVersion.V5)).Rule);
    }

    [Fact]
    public void An_empty_first_piece_does_not_hide_what_follows()
    {
        var unread = Bytes.Pieces([], [], Bytes.FromHex("40"), [], Bytes.FromHex("02 00 07"), []);

        Assert.True(FrameReader.TryReadFrame(ref unread, 100, out var frame));

        Assert.Equal(7, AckPacket.Read(frame, MqttVersion.V311).PacketId);
    }
}
