using Nave.Mqtt.Tests.Harness;

namespace Nave.Mqtt.Tests;

/// <summary>What only MQTT 5 refuses, beside what it accepts. The remaining length is put in by the test.</summary>
public sealed class Refusal5Tests
{
    private const string Connect = "0004 4d515454 05 02 003c";
    private const string WillConnect = "0004 4d515454 05 06 003c 00 0001 61";

    [Theory]

    // Variable byte integers.
    [InlineData("10", $"{Connect} 8000 0001 61", MqttRule.VariableByteInteger)]
    [InlineData("30", "0001 74 ffffffff7f", MqttRule.VariableByteInteger)]
    [InlineData("30", "0001 74 03 0b 8000", MqttRule.VariableByteInteger)]
    [InlineData("30", "0001 74 05 0b ffffff7f", null)]
    [InlineData("30", "0001 74 06 0b ffffffff7f", MqttRule.VariableByteInteger)]

    // Properties as such.
    [InlineData("10", $"{Connect} 05 11 00000001 0001 61", null)]
    [InlineData("10", $"{Connect} 02 00 00 0001 61", MqttRule.PropertyUnknown)]
    [InlineData("10", $"{Connect} 02 2b 00 0001 61", MqttRule.PropertyUnknown)]
    [InlineData("10", $"{Connect} 02 ff 00 0001 61", MqttRule.PropertyUnknown)]
    [InlineData("10", $"{Connect} 02 04 00 0001 61", MqttRule.PropertyUnknown)]
    [InlineData("10", $"{Connect} 02 8000 0001 61", MqttRule.PropertyUnknown)]
    [InlineData("10", $"{Connect} 03 23 0001 0001 61", MqttRule.PropertyNotAllowed)]
    [InlineData("10", $"{Connect} 05 18 00000001 0001 61", MqttRule.PropertyNotAllowed)]
    [InlineData("10", $"{WillConnect} 05 18 00000001 0001 77 0000", null)]
    [InlineData("10", $"{WillConnect} 05 11 00000001 0001 77 0000", MqttRule.PropertyNotAllowed)]
    [InlineData("10", $"{Connect} 0a 11 00000001 11 00000001 0001 61", MqttRule.PropertyDuplicate)]
    [InlineData("10", $"{Connect} 0e 26 0001 6b 0001 76 26 0001 6b 0001 76 0001 61", null)]
    [InlineData("10", $"{Connect} 04 11 000000 0001 61", MqttRule.TruncatedPacket)]
    [InlineData("10", $"{Connect} 7f 0001 61", MqttRule.TruncatedPacket)]
    [InlineData("10", $"{Connect} 05 26 0002 6b00 0001 61", MqttRule.TruncatedPacket)]
    [InlineData("10", $"{Connect} 07 26 0001 00 0001 76 0001 61", MqttRule.Utf8Null)]
    [InlineData("10", $"{Connect} 07 26 0001 6b 0001 ff 0001 61", MqttRule.Utf8)]

    // Values.
    [InlineData("10", $"{Connect} 02 17 01 0001 61", null)]
    [InlineData("10", $"{Connect} 02 17 02 0001 61", MqttRule.PropertyValue)]
    [InlineData("10", $"{Connect} 02 19 02 0001 61", MqttRule.PropertyValue)]
    [InlineData("10", $"{Connect} 03 21 0001 0001 61", null)]
    [InlineData("10", $"{Connect} 03 21 0000 0001 61", MqttRule.PropertyValue)]
    [InlineData("10", $"{Connect} 03 22 0000 0001 61", null)]
    [InlineData("10", $"{Connect} 05 27 00000001 0001 61", null)]
    [InlineData("10", $"{Connect} 05 27 00000000 0001 61", MqttRule.PropertyValue)]
    [InlineData("20", "00 00 02 24 01", null)]
    [InlineData("20", "00 00 02 24 02", MqttRule.PropertyValue)]
    [InlineData("20", "00 00 02 25 02", MqttRule.PropertyValue)]
    [InlineData("20", "00 00 02 28 02", MqttRule.PropertyValue)]
    [InlineData("30", "0001 74 02 01 02", MqttRule.PropertyValue)]
    [InlineData("30", "0001 74 03 23 0000", MqttRule.PropertyValue)]
    [InlineData("30", "0001 74 02 0b 00", MqttRule.PropertyValue)]
    [InlineData("30", "0001 74 04 08 0001 72", null)]
    [InlineData("30", "0001 74 04 08 0001 23", MqttRule.ResponseTopicWildcard)]
    [InlineData("30", "0001 74 03 08 0000", MqttRule.TopicEmpty)]

    // Authentication.
    [InlineData("10", $"{Connect} 04 15 0001 61 0001 61", null)]
    [InlineData("10", $"{Connect} 04 16 0001 61 0001 61", MqttRule.AuthenticationMethodMissing)]
    [InlineData("f0", "18 04 15 0001 61", null)]
    [InlineData("f0", "18 00", MqttRule.AuthenticationMethodMissing)]
    [InlineData("f0", "18 04 16 0001 61", MqttRule.AuthenticationMethodMissing)]
    [InlineData("f0", "18", MqttRule.TruncatedPacket)]
    [InlineData("f0", "01 04 15 0001 61", MqttRule.ReasonCode)]
    [InlineData("f0", "18 04 15 0001 61 00", MqttRule.TrailingBytes)]

    // CONNECT and CONNACK.
    [InlineData("10", "0004 4d515454 05 42 003c 00 0001 61 0001 70", null)]
    [InlineData("10", "0004 4d515454 05 03 003c 00 0001 61", MqttRule.ConnectReservedFlag)]
    [InlineData("10", "0004 4d515454 05 0a 003c 00 0001 61", MqttRule.WillQosWithoutWill)]
    [InlineData("10", $"{Connect} 00 0001 61 00", MqttRule.TrailingBytes)]
    [InlineData("20", "00 80 00", null)]
    [InlineData("20", "00 01 00", MqttRule.ReasonCode)]
    [InlineData("20", "01 80 00", MqttRule.SessionPresentOnRefusal)]
    [InlineData("20", "00 00", MqttRule.TruncatedPacket)]

    // PUBLISH: a topic or an alias.
    [InlineData("30", "0000 03 23 0001", null)]
    [InlineData("30", "0000 00", MqttRule.TopicAliasMissing)]
    [InlineData("30", "0000 05 02 00000001", MqttRule.TopicAliasMissing)]
    [InlineData("30", "0001 74 04 0b 01 0b 02", null)]
    [InlineData("30", "0001 74 06 23 0001 23 0001", MqttRule.PropertyDuplicate)]
    [InlineData("30", "0001 74 04 1f 0001 61", MqttRule.PropertyNotAllowed)]
    [InlineData("30", "0001 74", MqttRule.TruncatedPacket)]

    // Acknowledgements.
    [InlineData("40", "0001", null)]
    [InlineData("40", "0001 10", null)]
    [InlineData("40", "0001 10 00", null)]
    [InlineData("40", "0001 01", MqttRule.ReasonCode)]
    [InlineData("40", "0001 92", MqttRule.ReasonCode)]
    [InlineData("62", "0001 92", null)]
    [InlineData("62", "0001 10", MqttRule.ReasonCode)]
    [InlineData("70", "0001 00 04 1f 0001 61 00", MqttRule.TrailingBytes)]
    [InlineData("50", "0001 00 05 11 00000001", MqttRule.PropertyNotAllowed)]
    [InlineData("40", "0000 00", MqttRule.PacketIdZero)]

    // SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK.
    [InlineData("82", "0001 00 0001 61 2e", null)]
    [InlineData("82", "0001 00 0001 61 03", MqttRule.SubscribeOptions)]
    [InlineData("82", "0001 00 0001 61 30", MqttRule.SubscribeOptions)]
    [InlineData("82", "0001 00 0001 61 40", MqttRule.SubscribeOptions)]
    [InlineData("82", "0001 00 0001 61 80", MqttRule.SubscribeOptions)]
    [InlineData("82", "0001 00", MqttRule.SubscribeEmpty)]
    [InlineData("82", "0001 02 0b 01 0001 61 00", null)]
    [InlineData("82", "0001 04 0b 01 0b 02 0001 61 00", MqttRule.PropertyDuplicate)]
    [InlineData("82", "0001 00 000a 2473686172652f672f61 00", null)] // $share/g/a
    [InlineData("82", "0001 00 000a 2473686172652f672f61 04", MqttRule.NoLocalOnSharedSubscription)]
    [InlineData("82", "0001 00 0009 2473686172652f672f 00", MqttRule.ShareName)] // $share/g/
    [InlineData("82", "0001 00 0008 2473686172652f67 00", MqttRule.ShareName)] // $share/g
    [InlineData("82", "0001 00 0009 2473686172652f2f61 00", MqttRule.ShareName)] // $share//a
    [InlineData("82", "0001 00 000a 2473686172652f2b2f61 00", MqttRule.ShareName)] // $share/+/a
    [InlineData("82", "0001 00 000b 2473686172652f672f6123 00", MqttRule.MultiLevelWildcard)] // $share/g/a#
    [InlineData("90", "0001 00 a2", null)]
    [InlineData("90", "0001 00 03", MqttRule.ReasonCode)]
    [InlineData("90", "0001 00", MqttRule.SubAckEmpty)]
    [InlineData("a2", "0001 00", MqttRule.UnsubscribeEmpty)]
    [InlineData("b0", "0001 00 11", null)]
    [InlineData("b0", "0001 00 01", MqttRule.ReasonCode)]
    [InlineData("b0", "0001 00", MqttRule.SubAckEmpty)]
    [InlineData("b0", "0001", MqttRule.TruncatedPacket)]

    // DISCONNECT.
    [InlineData("e0", "00", null)]
    [InlineData("e0", "8e", null)]
    [InlineData("e0", "8e 00", null)]
    [InlineData("e0", "01", MqttRule.ReasonCode)]
    [InlineData("e0", "8e 04 12 0001 61", MqttRule.PropertyNotAllowed)]
    [InlineData("e0", "8e 00 00", MqttRule.TrailingBytes)]
    public void An_mqtt_5_packet_is_refused_by_its_rule(string first, string body, string? rule)
    {
        var length = Bytes.FromHex(body).Length;

        Assert.Equal(rule, RefusalTests.FindFault($"{first} {length:x2} {body}", MqttVersion.V5));
    }

    [Theory]
    [InlineData("30 04 0001 74 00", ReasonCode.Success)]
    [InlineData("30 04 0001 23 00", ReasonCode.MalformedPacket)]
    [InlineData("30 03 0000 00", ReasonCode.ProtocolError)]
    [InlineData("10 0c 0004 4d515454 07 02 003c 0000", ReasonCode.UnsupportedProtocolVersion)]
    public void An_mqtt_5_peer_can_be_told_why(string hex, ReasonCode reason)
    {
        var told = ReasonCode.Success;
        try
        {
            AnyPacket.Read(AnyPacket.FrameOf(hex), MqttVersion.V5);
        }
        catch (MalformedPacketException e)
        {
            told = e.Reason;
        }

        Assert.Equal(reason, told);
    }

    [Fact]
    public void Every_reserved_identifier_is_unknown()
    {
        var known = Enum.GetValues<PropertyId>().Select(id => (int)id).ToHashSet();

        for (var id = 0; id < 256; id++)
        {
            var rule = RefusalTests.FindFault($"30 05 0001 74 01 {id:x2}", MqttVersion.V5);

            Assert.Equal(known.Contains(id), rule is not MqttRule.PropertyUnknown);
        }
    }

    [Fact]
    public void A_property_in_the_wrong_packet_is_our_own_mistake()
    {
        var output = new System.Buffers.ArrayBufferWriter<byte>();

        Assert.Throws<ArgumentException>(() => new MqttProperties { ReceiveMaximum = 1 }.EncodeForPublish());
        Assert.Throws<ArgumentException>(() => new MqttProperties { TopicAlias = 0 }.EncodeForPublish());
        Assert.Throws<ArgumentException>(() => new ConnAckPacket
        {
            Properties = new MqttProperties { TopicAlias = 1 },
        }.Write(output, MqttVersion.V5));
        Assert.Equal(0, output.WrittenCount);
    }
}
