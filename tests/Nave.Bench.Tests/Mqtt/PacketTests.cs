using Nave.Bench.Mqtt;

namespace Nave.Bench.Tests.Mqtt;

public sealed class PacketTests
{
    [Fact]
    public void Connect_carries_client_id_user_name_and_password() =>
        Assert.Equal(
            [
                0x10, 19, 0, 4, .. "MQTT"u8, 4, 0xc2, 0x01, 0x2c,
                0, 1, .. "c"u8, 0, 1, .. "u"u8, 0, 1, .. "p"u8,
            ],
            ConnectPacket.Encode("c", "u", "p", 300));

    [Fact]
    public void An_anonymous_connect_has_neither() =>
        Assert.Equal([0x10, 13, 0, 4, .. "MQTT"u8, 4, 0x02, 0, 60, 0, 1, .. "c"u8], ConnectPacket.Encode("c", null, null, 60));

    [Theory]
    [InlineData(0, new byte[] { 0 })]
    [InlineData(127, new byte[] { 0x7f })]
    [InlineData(128, new byte[] { 0x80, 0x01 })]
    [InlineData(16_383, new byte[] { 0xff, 0x7f })]
    [InlineData(268_435_455, new byte[] { 0xff, 0xff, 0xff, 0x7f })]
    public void Remaining_length_follows_the_standard_both_ways(int length, byte[] encoded)
    {
        Assert.Equal(encoded, RemainingLength.Encode(length));
        Assert.True(RemainingLength.TryRead([0x30, .. encoded], out var headerBytes, out var bodyBytes));
        Assert.Equal(encoded.Length + 1, headerBytes);
        Assert.Equal(length, bodyBytes);
    }

    [Fact]
    public void A_length_that_never_ends_is_told_from_one_that_is_not_complete()
    {
        Assert.True(RemainingLength.TryRead([0x30, 0xff, 0xff, 0xff, 0xff], out _, out var bodyBytes));
        Assert.Equal(-1, bodyBytes);
        Assert.False(RemainingLength.TryRead([0x30, 0xff, 0xff, 0xff], out _, out _));
        Assert.False(RemainingLength.TryRead([0x30], out _, out _));
        Assert.False(RemainingLength.TryRead([], out _, out _));
    }

    [Fact]
    public void Each_slot_of_a_qos_1_block_is_a_publish_with_its_own_packet_id()
    {
        var block = PublishBlock.Create("t/1", "xy"u8, qos: 1, window: 300);

        Assert.Equal(300, block.Slots);
        Assert.Equal(1, block.MessagesPerSlot);
        Assert.Equal(300 * block.SlotBytes, block.Bytes.Length);
        Assert.Equal([0x32, 9, 0, 3, .. "t/1"u8, 0, 1, .. "xy"u8], block.Bytes[..block.SlotBytes]);
        Assert.Equal([0x32, 9, 0, 3, .. "t/1"u8, 1, 44, .. "xy"u8], block.Bytes[^block.SlotBytes..]);
    }

    [Fact]
    public void A_slot_of_a_qos_0_block_is_a_run_of_publishes_and_a_ping()
    {
        var block = PublishBlock.Create("t", "x"u8, qos: 0, window: 2);

        byte[] slot = [0x30, 4, 0, 1, .. "t"u8, .. "x"u8, 0x30, 4, 0, 1, .. "t"u8, .. "x"u8, 0xc0, 0];
        Assert.Equal([.. slot, .. slot], block.Bytes);
        Assert.Equal(2, block.MessagesPerSlot);
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(1, 0)]
    [InlineData(1, 65_536)]
    public void A_block_that_cannot_be_is_refused(int qos, int window) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => PublishBlock.Create("t", [], qos, window));
}
