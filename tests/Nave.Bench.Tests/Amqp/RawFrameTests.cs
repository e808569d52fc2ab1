using Nave.Bench.Amqp;

namespace Nave.Bench.Tests.Amqp;

public sealed class RawFrameTests
{
    [Fact]
    public void A_frame_is_read_when_it_is_there_whole()
    {
        byte[] payload = [1, 2, 3];
        var bytes = AmqpBytes.Frame(AmqpBytes.List(AmqpBytes.Transfer, AmqpBytes.UInt(7), AmqpBytes.String("text"), AmqpBytes.Bool(true)), payload);

        Assert.False(RawFrame.TryRead(bytes.AsSpan(0, bytes.Length - 1), out _));
        Assert.True(RawFrame.TryRead([.. bytes, 0, 0], out var frame));
        Assert.Equal(bytes.Length, frame.TotalBytes);
        Assert.Equal(AmqpBytes.Transfer, frame.Code);
        Assert.Equal(7u, frame.Number(0));
        Assert.Null(frame.Number(1));
        Assert.True(frame.IsTrue(2));
        Assert.False(frame.IsTrue(3));
        Assert.Equal(payload, frame.Payload);
    }

    [Fact]
    public void An_empty_frame_has_no_performative()
    {
        Assert.True(RawFrame.TryRead([0, 0, 0, 8, 2, 0, 0, 0], out var frame));
        Assert.Equal(0, frame.Code);
    }

    [Theory]
    [InlineData(new byte[] { 0, 0, 0, 4, 2, 0, 0, 0 })]
    [InlineData(new byte[] { 0, 0, 0, 10, 2, 0, 0, 0, 0x40, 0x40 })]
    [InlineData(new byte[] { 0, 0, 0, 12, 2, 0, 0, 0, 0x00, 0x53, 0x10, 0x40 })]
    public void What_is_no_frame_is_an_error(byte[] bytes) => Assert.Throws<FormatException>(() => RawFrame.TryRead(bytes, out _));

    [Theory]
    [InlineData(new byte[] { 0x40, 9 }, 1)]
    [InlineData(new byte[] { 0x52, 1, 9 }, 2)]
    [InlineData(new byte[] { 0x70, 0, 0, 0, 1, 9 }, 5)]
    [InlineData(new byte[] { 0xa1, 2, 65, 66, 9 }, 4)]
    [InlineData(new byte[] { 0xb1, 0, 0, 0, 1, 65, 9 }, 6)]
    [InlineData(new byte[] { 0x00, 0x53, 0x24, 0x45, 9 }, 4)]
    public void A_value_says_how_long_it_is(byte[] value, int bytes) => Assert.Equal(bytes, RawFrame.Measure(value));

    [Fact]
    public void Number_and_enqueued_time_are_found_among_the_annotations()
    {
        byte[] other = [0xa3, 1, (byte)'a', 0xa1, 1, (byte)'b'];
        byte[] sequence = [0xa3, 21, .. "x-opt-sequence-number"u8, 0x81, 0, 0, 0, 0, 0, 0, 1, 2];
        byte[] enqueued = [0xa3, 19, .. "x-opt-enqueued-time"u8, 0x83, 0, 0, 0, 0, 0, 0, 0, 5];
        byte[] body = [.. other, .. sequence, .. enqueued];

        Assert.True(ReaderClient.TryReadStamps([0x00, 0x53, 0x72, 0xc1, (byte)(body.Length + 1), 6, .. body], out var number, out var time));
        Assert.Equal((258, 5), (number, time));
        Assert.False(ReaderClient.TryReadStamps([0x00, 0x53, 0x72, 0xc1, (byte)(other.Length + 1), 2, .. other, 0, 0, 0, 0, 0, 0, 0], out _, out _));
        Assert.False(ReaderClient.TryReadStamps(AmqpBytes.DataMessage(100), out _, out _));
    }
}
