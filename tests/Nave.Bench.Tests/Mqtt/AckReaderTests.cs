using Nave.Bench.Mqtt;

namespace Nave.Bench.Tests.Mqtt;

public sealed class AckReaderTests
{
    private static readonly byte[] Answers =
    [
        0x20, 2, 0, 5,
        0x40, 2, 0, 1, 0x40, 2, 1, 44,
        0xd0, 0,
        0x30, 3, 0, 1, (byte)'t',
        0x40, 2, 0, 2,
    ];

    private static readonly string[] Meaning = ["connect 5", "ack 1", "ack 300", "ping", "other 3", "ack 2"];

    [Fact]
    public void All_packets_of_one_read_are_told_in_order()
    {
        var seen = new Recorder();

        Assert.Equal(Answers.Length, AckReader.Read(Answers, seen));

        Assert.Equal(Meaning, seen.Told);
    }

    [Fact]
    public void A_cut_at_any_byte_loses_nothing()
    {
        for (var cut = 0; cut <= Answers.Length; cut++)
        {
            var seen = new Recorder();

            var used = AckReader.Read(Answers.AsSpan(0, cut), seen);
            Assert.InRange(used, 0, cut);
            var rest = AckReader.Read(Answers.AsSpan(used), seen);

            Assert.Equal(Answers.Length, used + rest);
            Assert.Equal(Meaning, seen.Told);
        }
    }

    [Theory]
    [InlineData(new byte[] { 0x40, 3, 0, 1, 0 })]
    [InlineData(new byte[] { 0x20, 1, 0 })]
    [InlineData(new byte[] { 0xd0, 1, 0 })]
    [InlineData(new byte[] { 0x40, 0xff, 0xff, 0xff, 0xff })]
    public void Malformed_answers_are_refused(byte[] bytes) => Assert.True(AckReader.Read(bytes, new Recorder()) < 0);

    private sealed class Recorder : IAckSink
    {
        public List<string> Told { get; } = [];

        public void ConnectAnswered(byte code) => Told.Add($"connect {code}");

        public void Acknowledged(ushort packetId) => Told.Add($"ack {packetId}");

        public void PingAnswered() => Told.Add("ping");

        public void Unexpected(byte packetType) => Told.Add($"other {packetType}");
    }
}
