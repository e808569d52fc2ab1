using System.Text;
using Nave.Mqtt.Tests.Harness;

namespace Nave.Mqtt.Tests;

public sealed class ConnectTests
{
    [Fact]
    public void Every_field_is_read()
    {
        var connect = ConnectPacket.Read(AnyPacket.FrameOf(
            "10 1e 0004 4d515454 04 ec 00b4 0003 646576 0003 772f74 0002 0102 0001 75 0001 70"));

        Assert.Equal(MqttVersion.V311, connect.Version);
        Assert.Equal(("dev", false, 180), (connect.ClientId, connect.CleanSession, connect.KeepAliveSeconds));
        Assert.Equal(("u", "p"), (connect.UserName, Encoding.UTF8.GetString(connect.Password!.Value.Span)));
        Assert.Equal(("w/t", 1, true), (connect.Will!.Topic, connect.Will.Qos, connect.Will.Retain));
        Assert.Equal([1, 2], connect.Will.Payload.ToArray());
    }

    // spec/device-mqtt.md "Username grammar": clients send HasPassword=1 with an empty string.
    [Fact]
    public void An_empty_password_is_told_from_none()
    {
        var empty = ConnectPacket.Read(AnyPacket.FrameOf("10 12 0004 4d515454 04 c2 003c 0001 61 0001 75 0000"));
        var none = ConnectPacket.Read(AnyPacket.FrameOf("10 10 0004 4d515454 04 82 003c 0001 61 0001 75"));

        Assert.Equal(0, empty.Password?.Length);
        Assert.Null(none.Password);
        Assert.Equal(("u", "u"), (empty.UserName, none.UserName));
    }

    [Theory]
    [InlineData("10 0e 0006 4d5149736470 03 02 003c 0000", "MQIsdp", 3, false)]
    [InlineData("10 0c 0004 4d515454 04 02 003c 0000", "MQTT", 4, true)]
    [InlineData("10 0c 0004 4d515454 05 02 003c 0000", "MQTT", 5, true)]
    [InlineData("10 0c 0004 4d515454 06 ff ffff ffff", "MQTT", 6, false)]
    [InlineData("10 07 0004 4d515454 84", "MQTT", 0x84, false)]
    [InlineData("10 07 0004 6d717474 04", "mqtt", 4, false)]
    public void Protocol_and_level_are_read_whatever_follows(string hex, string name, byte level, bool isSupported)
    {
        var protocol = ConnectProtocol.Read(AnyPacket.FrameOf(hex));

        Assert.Equal((name, level, isSupported), (protocol.Name, protocol.Level, protocol.IsSupported));
    }

    [Fact]
    public void A_password_never_reaches_a_text()
    {
        var connect = new ConnectPacket { ClientId = "a", UserName = "u", Password = "secret"u8.ToArray() };

        Assert.DoesNotContain("secret", connect.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void What_3_1_1_cannot_say_is_our_own_mistake()
    {
        var output = new System.Buffers.ArrayBufferWriter<byte>();

        Assert.Throws<ArgumentException>(
            () => new ConnectPacket { ClientId = "a", Password = "p"u8.ToArray() }.Write(output));
        Assert.Throws<ArgumentException>(() => new ConnectPacket { ClientId = "a\0" }.Write(output));
        Assert.ThrowsAny<ArgumentException>(() => new ConnectPacket { ClientId = "\ud800" }.Write(output));
        Assert.Throws<ArgumentException>(() => new ConnectPacket { ClientId = new string('a', 65_536) }.Write(output));
        Assert.Equal(0, output.WrittenCount);
    }
}
