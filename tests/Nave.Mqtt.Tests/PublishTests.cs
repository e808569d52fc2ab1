using System.Buffers;
using System.Text;
using Nave.Mqtt.Tests.Harness;

namespace Nave.Mqtt.Tests;

public sealed class PublishTests
{
    [Fact]
    public void Every_field_is_read()
    {
        var publish = PublishPacket.Read(AnyPacket.FrameOf("3b 09 0003 612f62 000a 6869"), MqttVersion.V311);

        Assert.Equal("a/b", Encoding.UTF8.GetString(publish.Topic));
        Assert.Equal((10, 1, true, true), (publish.PacketId, publish.Qos, publish.Dup, publish.Retain));
        Assert.Equal("hi", Encoding.UTF8.GetString(publish.Payload));
    }

    [Fact]
    public void A_topic_in_two_pieces_is_copied_where_it_fits()
    {
        var bytes = Bytes.FromHex("32 0b 0005 6162636465 0001 6869");
        var scratch = new byte[9];

        var publish = PublishPacket.Read(
            AnyPacket.FrameOf(Bytes.TwoPieces(bytes, 6)), MqttVersion.V311, scratch);

        Assert.Equal("abcde", Encoding.UTF8.GetString(publish.Topic));
        Assert.True(publish.Topic.Overlaps(scratch));
        Assert.Equal("hi", Encoding.UTF8.GetString(publish.Payload));
    }

    [Fact]
    public void A_topic_that_does_not_fit_the_scratch_is_copied_elsewhere()
    {
        var bytes = Bytes.FromHex("32 0b 0005 6162636465 0001 6869");
        var scratch = new byte[8];

        var publish = PublishPacket.Read(
            AnyPacket.FrameOf(Bytes.TwoPieces(bytes, 6)), MqttVersion.V311, scratch);

        Assert.Equal("abcde", Encoding.UTF8.GetString(publish.Topic));
        Assert.False(publish.Topic.Overlaps(scratch));
    }

    [Theory]
    [InlineData("32 0b 0006 c3a92fe282ac 0000 01", MqttRule.PacketIdZero)] // And a property too long.
    [InlineData("30 06 0001 74 ffffff", MqttRule.TruncatedPacket)]
    [InlineData("30 07 0001 74 ffffffff", MqttRule.VariableByteInteger)]
    [InlineData("30 05 0001 74 05 23", MqttRule.TruncatedPacket)]
    [InlineData("30 03 0005 74", MqttRule.TruncatedPacket)]
    public void A_packet_in_pieces_breaks_the_same_rule(string hex, string rule)
    {
        var bytes = Bytes.FromHex(hex);
        var rules = new HashSet<string>();
        for (var at = 0; at <= bytes.Length; at++)
        {
            var frame = AnyPacket.FrameOf(Bytes.TwoPieces(bytes, at));
            rules.Add(Assert.Throws<MalformedPacketException>(() => AnyPacket.Read(frame, MqttVersion.V5)).Rule);
        }

        Assert.Equal([rule], rules);
    }

    [Fact]
    public void A_payload_in_pieces_is_written_whole()
    {
        var output = new ArrayBufferWriter<byte>();
        var payload = Bytes.Pieces("ab"u8.ToArray(), [], "c"u8.ToArray());

        new PublishPacket { Topic = "t"u8, Payload = payload }.Write(output, MqttVersion.V311);

        Assert.Equal("3006000174616263", Bytes.ToHex(output.WrittenSpan));
    }

    [Theory]
    [InlineData("", 0, 0, false)] // No topic.
    [InlineData("t", 0, 1, false)] // An identifier where none belongs.
    [InlineData("t", 1, 0, false)] // None where one belongs.
    [InlineData("t", 3, 1, false)] // No such QoS.
    [InlineData("t", 0, 0, true)] // A duplicate of QoS 0.
    public void What_no_peer_may_get_is_our_own_mistake(string topic, byte qos, ushort packetId, bool dup)
    {
        var output = new ArrayBufferWriter<byte>();

        Assert.ThrowsAny<ArgumentException>(() => new PublishPacket
        {
            Topic = Encoding.UTF8.GetBytes(topic),
            Qos = qos,
            PacketId = packetId,
            Dup = dup,
        }.Write(output, MqttVersion.V311));
        Assert.Equal(0, output.WrittenCount);
    }
}
