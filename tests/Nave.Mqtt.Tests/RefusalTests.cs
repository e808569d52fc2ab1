using Nave.Mqtt.Tests.Harness;

namespace Nave.Mqtt.Tests;

/// <summary>Refused input beside accepted input: each pair differs in what the rule forbids.</summary>
public sealed class RefusalTests
{
    private const string Connect = "0004 4d515454 04";

    [Theory]

    // Fixed header.
    [InlineData("00 00", MqttRule.ForbiddenPacketType)]
    [InlineData("11 00", MqttRule.ReservedFlags)]
    [InlineData("28 02 00 00", MqttRule.ReservedFlags)]
    [InlineData("41 02 00 01", MqttRule.ReservedFlags)]
    [InlineData("60 02 00 01", MqttRule.ReservedFlags)]
    [InlineData("80 06 0001 0001 61 00", MqttRule.ReservedFlags)]
    [InlineData("83 06 0001 0001 61 00", MqttRule.ReservedFlags)]
    [InlineData("a0 05 0001 0001 61", MqttRule.ReservedFlags)]
    [InlineData("c1 00", MqttRule.ReservedFlags)]
    [InlineData("e2 00", MqttRule.ReservedFlags)]
    [InlineData("30 ff ff ff ff 7f", MqttRule.RemainingLength)]
    [InlineData("30 80 80 80 80 00", MqttRule.RemainingLength)]
    [InlineData("c0 01 00", MqttRule.TrailingBytes)]
    [InlineData("d0 01 00", MqttRule.TrailingBytes)]
    [InlineData("f0 00", MqttRule.ForbiddenPacketType)]

    // CONNECT.
    [InlineData("10 0c 0004 4d515455 04 02 003c 0000", MqttRule.ProtocolName)]
    [InlineData("10 0e 0006 4d5149736470 03 02 003c 0000", MqttRule.ProtocolName)]
    [InlineData("10 0c 0004 4d515454 03 02 003c 0000", MqttRule.ProtocolLevel)]
    [InlineData("10 0c 0004 4d515454 06 02 003c 0000", MqttRule.ProtocolLevel)]
    [InlineData($"10 0d {Connect} 03 003c 0001 61", MqttRule.ConnectReservedFlag)]
    [InlineData($"10 0d {Connect} 0a 003c 0001 61", MqttRule.WillQosWithoutWill)]
    [InlineData($"10 0d {Connect} 22 003c 0001 61", MqttRule.WillRetainWithoutWill)]
    [InlineData($"10 12 {Connect} 1e 003c 0001 61 0001 77 0000", MqttRule.WillQos)]
    [InlineData($"10 10 {Connect} 42 003c 0001 61 0001 70", MqttRule.PasswordWithoutUserName)]
    [InlineData($"10 0e {Connect} 02 003c 0001 61 00", MqttRule.TrailingBytes)]
    [InlineData($"10 0d {Connect} 82 003c 0001 61", MqttRule.TruncatedPacket)]
    [InlineData($"10 0d {Connect} 02 003c 0002 61", MqttRule.TruncatedPacket)]
    [InlineData("10 00", MqttRule.TruncatedPacket)]
    [InlineData($"10 0d {Connect} 02 003c 0001 00", MqttRule.Utf8Null)]
    [InlineData($"10 0d {Connect} 02 003c 0001 ff", MqttRule.Utf8)]
    [InlineData($"10 0f {Connect} 02 003c 0003 eda080", MqttRule.Utf8)]
    [InlineData($"10 0e {Connect} 02 003c 0002 c080", MqttRule.Utf8)]
    [InlineData($"10 12 {Connect} 06 003c 0001 61 0001 23 0000", MqttRule.TopicNameWildcard)]
    [InlineData($"10 11 {Connect} 06 003c 0001 61 0000 0000", MqttRule.TopicEmpty)]

    // CONNACK.
    [InlineData("20 02 02 00", MqttRule.ConnAckReservedFlags)]
    [InlineData("20 02 01 05", MqttRule.SessionPresentOnRefusal)]
    [InlineData("20 02 00 06", MqttRule.ConnectReturnCode)]
    [InlineData("20 03 00 00 00", MqttRule.TrailingBytes)]
    [InlineData("20 01 00", MqttRule.TruncatedPacket)]

    // PUBLISH.
    [InlineData("36 07 0003 612f62 0001", MqttRule.Qos3)]
    [InlineData("3e 07 0003 612f62 0001", MqttRule.Qos3)]
    [InlineData("38 05 0003 612f62", MqttRule.DupOnQos0)]
    [InlineData("39 05 0003 612f62", MqttRule.DupOnQos0)]
    [InlineData("32 07 0003 612f62 0000", MqttRule.PacketIdZero)]
    [InlineData("32 06 0003 612f62 01", MqttRule.TruncatedPacket)]
    [InlineData("30 04 0003 612f", MqttRule.TruncatedPacket)]
    [InlineData("30 01 00", MqttRule.TruncatedPacket)]
    [InlineData("30 00", MqttRule.TruncatedPacket)]
    [InlineData("30 02 0000", MqttRule.TopicEmpty)]
    [InlineData("30 05 0003 612f23", MqttRule.TopicNameWildcard)]
    [InlineData("30 05 0003 2b2f62", MqttRule.TopicNameWildcard)]
    [InlineData("30 05 0003 610062", MqttRule.Utf8Null)]
    [InlineData("30 05 0003 61c362", MqttRule.Utf8)]

    // PUBACK to PUBCOMP.
    [InlineData("40 02 0000", MqttRule.PacketIdZero)]
    [InlineData("50 01 01", MqttRule.TruncatedPacket)]
    [InlineData("62 00", MqttRule.TruncatedPacket)]
    [InlineData("70 03 0001 00", MqttRule.TrailingBytes)]

    // SUBSCRIBE, SUBACK.
    [InlineData("82 02 0001", MqttRule.SubscribeEmpty)]
    [InlineData("82 06 0000 0001 61 00", MqttRule.PacketIdZero)]
    [InlineData("82 06 0001 0001 61 03", MqttRule.SubscribeOptions)]
    [InlineData("82 06 0001 0001 61 04", MqttRule.SubscribeOptions)]
    [InlineData("82 05 0001 0001 61", MqttRule.TruncatedPacket)]
    [InlineData("82 05 0001 0000 00", MqttRule.TopicEmpty)]
    [InlineData("82 07 0001 0002 6123 00", MqttRule.MultiLevelWildcard)]
    [InlineData("82 08 0001 0003 232f61 00", MqttRule.MultiLevelWildcard)]
    [InlineData("82 07 0001 0002 2323 00", MqttRule.MultiLevelWildcard)]
    [InlineData("82 07 0001 0002 612b 00", MqttRule.SingleLevelWildcard)]
    [InlineData("82 08 0001 0003 612f2b 00 ", null)]
    [InlineData("82 09 0001 0004 612f2b62 00", MqttRule.SingleLevelWildcard)]
    [InlineData("82 06 0001 0001 00 00", MqttRule.Utf8Null)]
    [InlineData("82 06 0001 0001 ff 00", MqttRule.Utf8)]
    [InlineData("90 02 0001", MqttRule.SubAckEmpty)]
    [InlineData("90 03 0001 03", MqttRule.SubAckCode)]
    [InlineData("90 03 0001 81", MqttRule.SubAckCode)]
    [InlineData("90 03 0000 00", MqttRule.PacketIdZero)]

    // UNSUBSCRIBE, UNSUBACK, DISCONNECT.
    [InlineData("a2 02 0001", MqttRule.UnsubscribeEmpty)]
    [InlineData("a2 05 0000 0001 61", MqttRule.PacketIdZero)]
    [InlineData("a2 04 0001 0000", MqttRule.TopicEmpty)]
    [InlineData("a2 06 0001 0002 6123", MqttRule.MultiLevelWildcard)]
    [InlineData("b0 03 0001 00", MqttRule.TrailingBytes)]
    [InlineData("b0 02 0000", MqttRule.PacketIdZero)]
    [InlineData("e0 01 00", MqttRule.TrailingBytes)]

    // The same, but legal.
    [InlineData($"10 0d {Connect} 02 003c 0001 61", null)]
    [InlineData($"10 12 {Connect} 16 003c 0001 61 0001 77 0000", null)]
    [InlineData($"10 12 {Connect} c2 003c 0001 61 0000 0001 70", null)]
    [InlineData($"10 0f {Connect} 00 003c 0003 efbbbf", null)]
    [InlineData("20 02 01 00", null)]
    [InlineData("20 02 00 05", null)]
    [InlineData("3a 07 0003 612f62 0001", null)]
    [InlineData("34 07 0003 612f62 0001", null)]
    [InlineData("40 02 0001", null)]
    [InlineData("82 06 0001 0001 61 02", null)]
    [InlineData("82 08 0001 0003 2f2f23 00", null)]
    [InlineData("82 06 0001 0001 2f 00", null)]
    [InlineData("90 03 0001 80", null)]
    [InlineData("e0 00", null)]
    public void A_3_1_1_packet_is_refused_by_its_rule(string hex, string? rule) =>
        Assert.Equal(rule, FindFault(hex, MqttVersion.V311));

    internal static string? FindFault(string hex, MqttVersion version)
    {
        try
        {
            AnyPacket.Read(AnyPacket.FrameOf(hex), version);
            return null;
        }
        catch (MalformedPacketException e)
        {
            return e.Rule;
        }
    }
}
