using System.Buffers;
using System.Globalization;
using System.Text;

namespace Nave.Mqtt.Tests.Harness;

/// <summary>
/// Says in one line what is in a packet, in the words of Data/record.cjs: the two are written apart, one on our codec
/// and one on mqtt-packet, so that equal lines mean equal understanding.
/// </summary>
internal static class Description
{
    public static string Of(byte[] packet, MqttVersion version)
    {
        var frame = AnyPacket.FrameOf(Bytes.OnePiece(packet));
        return frame.Type switch
        {
            PacketType.Connect => Describe(ConnectPacket.Read(frame)),
            PacketType.ConnAck => Describe(ConnAckPacket.Read(frame, version)),
            PacketType.Publish => Describe(PublishPacket.Read(frame, version)),
            PacketType.Subscribe => Describe(SubscribePacket.Read(frame, version)),
            PacketType.SubAck => Describe(SubAckPacket.Read(frame, version)),
            PacketType.Unsubscribe => Describe(UnsubscribePacket.Read(frame, version)),
            PacketType.UnsubAck => Describe(UnsubAckPacket.Read(frame, version)),
            PacketType.PingReq or PacketType.PingResp => Upper(frame.Type),
            PacketType.Disconnect => Describe(DisconnectPacket.Read(frame, version)),
            PacketType.Auth => Describe(AuthPacket.Read(frame, version)),
            _ => Describe(frame.Type, AckPacket.Read(frame, version)),
        };
    }

    private static string Describe(ConnectPacket p) =>
        $"CONNECT id=<{p.ClientId}> clean={Bit(p.CleanSession)} keepalive={p.KeepAliveSeconds}"
        + (p.Will is { } w
            ? $" will=(topic=<{w.Topic}> qos={w.Qos} retain={Bit(w.Retain)} payload={Hex(w.Payload)}"
                + $"{Describe(w.Properties)})"
            : "")
        + (p.UserName is { } user ? $" user=<{user}>" : "")
        + (p.Password is { } password ? $" password={Hex(password)}" : "")
        + Describe(p.Properties);

    private static string Describe(ConnAckPacket p) =>
        $"CONNACK session={Bit(p.SessionPresent)} code={p.Code}{Describe(p.Properties)}";

    private static string Describe(PublishPacket p) =>
        $"PUBLISH qos={p.Qos} dup={Bit(p.Dup)} retain={Bit(p.Retain)} id={p.PacketId}"
        + $" topic=<{Encoding.UTF8.GetString(p.Topic)}> payload={Hex(p.Payload.ToArray())}{Describe(p.ReadProperties())}";

    private static string Describe(PacketType type, AckPacket p) =>
        $"{Upper(type)} id={p.PacketId} reason={(byte)p.Reason}{Describe(p.Properties)}";

    private static string Describe(SubscribePacket p) =>
        $"SUBSCRIBE id={p.PacketId} "
        + string.Join(' ', p.Subscriptions.Select(s =>
            $"<{s.Filter}>:{s.Qos},{Bit(s.NoLocal)},{Bit(s.RetainAsPublished)},{s.RetainHandling}"))
        + Describe(p.Properties);

    private static string Describe(SubAckPacket p) =>
        $"SUBACK id={p.PacketId} {Codes(p.Reasons)}{Describe(p.Properties)}";

    private static string Describe(UnsubscribePacket p) =>
        $"UNSUBSCRIBE id={p.PacketId} {string.Join(' ', p.Filters.Select(f => $"<{f}>"))}{Describe(p.Properties)}";

    private static string Describe(UnsubAckPacket p) =>
        $"UNSUBACK id={p.PacketId}{(p.Reasons.Count > 0 ? $" {Codes(p.Reasons)}" : "")}{Describe(p.Properties)}";

    private static string Describe(DisconnectPacket p) => $"DISCONNECT reason={(byte)p.Reason}{Describe(p.Properties)}";

    private static string Describe(AuthPacket p) => $"AUTH reason={(byte)p.Reason}{Describe(p.Properties)}";

    private static string Describe(MqttProperties? p)
    {
        if (p is null)
        {
            return "";
        }

        var all = new List<string>();
        Add(0x01, p.PayloadFormatIndicator);
        Add(0x02, p.MessageExpiryInterval);
        AddText(0x03, p.ContentType);
        AddText(0x08, p.ResponseTopic);
        AddBytes(0x09, p.CorrelationData);
        all.AddRange(p.SubscriptionIdentifiers.Select(i => $"0b={i}"));
        Add(0x11, p.SessionExpiryInterval);
        AddText(0x12, p.AssignedClientIdentifier);
        Add(0x13, p.ServerKeepAlive);
        AddText(0x15, p.AuthenticationMethod);
        AddBytes(0x16, p.AuthenticationData);
        Add(0x17, p.RequestProblemInformation);
        Add(0x18, p.WillDelayInterval);
        Add(0x19, p.RequestResponseInformation);
        AddText(0x1A, p.ResponseInformation);
        AddText(0x1C, p.ServerReference);
        AddText(0x1F, p.ReasonString);
        Add(0x21, p.ReceiveMaximum);
        Add(0x22, p.TopicAliasMaximum);
        Add(0x23, p.TopicAlias);
        Add(0x24, p.MaximumQos);
        Add(0x25, p.RetainAvailable);
        all.AddRange(p.UserProperties.Select(u => $"26=<{u.Name}>:<{u.Value}>"));
        Add(0x27, p.MaximumPacketSize);
        Add(0x28, p.WildcardSubscriptionAvailable);
        Add(0x29, p.SubscriptionIdentifierAvailable);
        Add(0x2A, p.SharedSubscriptionAvailable);
        return all.Count > 0 ? $" [{string.Join(' ', all)}]" : "";

        void Add(byte id, uint? value) => AddAny(id, value?.ToString(CultureInfo.InvariantCulture));

        void AddText(byte id, string? value) => AddAny(id, value is null ? null : $"<{value}>");

        void AddBytes(byte id, ReadOnlyMemory<byte>? value) => AddAny(id, value is { } bytes ? Hex(bytes) : null);

        void AddAny(byte id, string? value)
        {
            if (value is not null)
            {
                all.Add($"{id:x2}={value}");
            }
        }
    }

    private static string Upper(PacketType type) => type.ToString().ToUpperInvariant();

    private static string Codes(IReadOnlyList<ReasonCode> reasons) => string.Join(',', reasons.Select(r => (byte)r));

    private static string Hex(ReadOnlyMemory<byte> bytes) => Bytes.ToHex(bytes.Span);

    private static int Bit(bool value) => value ? 1 : 0;
}
