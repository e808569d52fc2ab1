using Nave.Bench.Floor;
using Nave.Bench.Mqtt;

namespace Nave.Bench.Tests.Floor;

public sealed class FloorAnswersTests
{
    private readonly byte[] _answers = new byte[4096];

    [Fact]
    public void Each_packet_gets_its_answer()
    {
        byte[] packets =
        [
            .. ConnectPacket.Encode("c", null, null, 0),
            .. PublishBlock.Create("t", "x"u8, qos: 1, window: 2).Bytes,
            .. PublishBlock.Create("t", "x"u8, qos: 0, window: 1).Bytes,
        ];

        var used = FloorAnswers.Write(packets, _answers, out var answerBytes);

        Assert.Equal(packets.Length, used);
        Assert.Equal(
            [0x20, 2, 0, 0, 0x40, 2, 0, 1, 0x40, 2, 0, 2, 0xd0, 0, 0xd0, 0],
            _answers[..answerBytes]);
    }

    [Fact]
    public void A_packet_that_is_not_complete_waits()
    {
        var publish = PublishBlock.Create("t", "x"u8, qos: 1, window: 1).Bytes;

        var used = FloorAnswers.Write([.. publish, .. publish[..^1]], _answers, out var answerBytes);

        Assert.Equal(publish.Length, used);
        Assert.Equal(4, answerBytes);
    }

    [Theory]
    [InlineData(new byte[] { 0xe0, 0 })]
    [InlineData(new byte[] { 0x32, 3, 0, 1, 0 })]
    [InlineData(new byte[] { 0x32, 4, 0, 9, 0, 0 })]
    [InlineData(new byte[] { 0x10, 0xff, 0xff, 0xff, 0xff })]
    public void Disconnect_and_nonsense_end_the_connection(byte[] bytes) =>
        Assert.True(FloorAnswers.Write(bytes, _answers, out _) < 0);
}
