using System.Text;
using Nave.Hub.Devices;
using Nave.Hub.Heads.Mqtt;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Mqtt;

public sealed class MqttTopicsTests
{
    [Theory]
    [Conformance("device-mqtt", 16)]
    [InlineData("devices/dev/messages/events")]
    [InlineData("devices/dev/messages/events/")]
    [InlineData("devices/dev/messages/events/?")]
    [InlineData("devices/dev/messages/events/?/")]
    public void Telemetry_without_properties(string topic)
    {
        var intent = ReadAs("dev", null, topic);

        Assert.Equal(PublishKind.Telemetry, intent.Kind);
        Assert.Empty(intent.Properties!.Properties.Application);
    }

    [Theory]
    [Conformance("device-mqtt", 16)]
    [InlineData("devices/dev/messages/events/a=1&%24.mid=m")]
    [InlineData("devices/dev/messages/events/a=1&%24.mid=m/")]
    [InlineData("devices/dev/messages/events/?a=1&%24.mid=m")]
    [InlineData("devices/dev/messages/events/?a=1&%24.mid=m/")]
    public void A_bag_means_the_same_with_and_without_what_clients_put_around_it(string topic)
    {
        var intent = ReadAs("dev", null, topic);

        Assert.Equal(PublishKind.Telemetry, intent.Kind);
        Assert.Equal("m", intent.Properties!.Properties.MessageId);
        Assert.Equal([new("a", "1")], intent.Properties.Properties.Application);
    }

    [Theory]
    [Conformance("device-mqtt", 4)]
    [InlineData("dev@1", null, "devices/dev@1/messages/events/")]
    [InlineData("dev@1", null, "devices/dev%401/messages/events/")]
    [InlineData("a+b#c", null, "devices/a%2Bb%23c/messages/events/")]
    [InlineData("a%2Bb", null, "devices/a%2Bb/messages/events/")]
    [InlineData("a%2Bb", null, "devices/a%252Bb/messages/events/")]
    [InlineData("dev", "m@1", "devices/dev/modules/m@1/messages/events/")]
    [InlineData("dev", "m@1", "devices/dev/modules/m%401/messages/events/")]
    public void Both_spellings_of_an_id_address_its_owner(string device, string? module, string topic) =>
        Assert.Equal(PublishKind.Telemetry, ReadAs(device, module, topic).Kind);

    [Theory]
    [Conformance("device-mqtt", 4, 17)]
    [InlineData("dev", null, "devices/OTHER/messages/events/")]
    [InlineData("dev", null, "devices/DEV/messages/events/")]
    [InlineData("dev", null, "devices/dev/modules/m/messages/events/")]
    [InlineData("dev", "m", "devices/dev/messages/events/")]
    [InlineData("dev", "m", "devices/dev/modules/n/messages/events/")]
    [InlineData("dev", null, "foo/bar")]
    [InlineData("dev", null, "$iothub/nope")]
    [InlineData("dev", null, "$iothub/")]
    [InlineData("dev", null, "$SYS/x")]
    [InlineData("dev", null, "devices/dev")]
    [InlineData("dev", null, "devices/dev/messages/eventsX")]
    [InlineData("dev", null, "devices/dev/messages/devicebound/a=1")]
    [InlineData("dev", null, "devices//messages/events/")]
    [InlineData("dev", null, "devices/%/messages/events/")]
    [InlineData("dev", null, "$iothub/methods/res/abc/?$rid=1")]
    [InlineData("dev", null, "$iothub/methods/res/-/?$rid=1")]
    public void A_topic_that_is_not_the_connections_own_ends_it(string device, string? module, string topic)
    {
        var intent = ReadAs(device, module, topic);

        Assert.Equal(PublishKind.Refused, intent.Kind);
        Assert.Equal(CloseReason.ProtocolViolation, intent.Reason);
    }

    [Theory]
    [InlineData("devices/dev/messages/events/a=1/b")]
    [InlineData("devices/dev/messages/events/a=1//")]
    [InlineData("devices/dev/messages/events/a=1=2")]
    [InlineData("devices/dev/messages/events/a=%zz")]
    public void A_broken_bag_is_refused_as_an_invalid_argument(string topic)
    {
        var intent = ReadAs("dev", null, topic);

        Assert.Equal(PublishKind.Refused, intent.Kind);
        Assert.Equal(CloseReason.Refused, intent.Reason);
        Assert.Equal(HubErrorCode.ArgumentInvalid, intent.Code);
    }

    [Theory]
    [InlineData("$iothub/twin/GET/?$rid=a1", nameof(PublishKind.TwinGet), "a1")]
    [InlineData("$iothub/twin/GET/?$rid=0a%20/b", nameof(PublishKind.TwinGet), "0a%20/b")]
    [InlineData("$iothub/twin/PATCH/properties/reported/?$rid=65535", nameof(PublishKind.TwinPatch), "65535")]
    [InlineData("$iothub/twin/PATCH/properties/reported/?$rid=r&$version=7", nameof(PublishKind.TwinPatch), "r")]
    [InlineData("$iothub/twin/PATCH/properties/reported/?$version=7&$rid=r", nameof(PublishKind.TwinPatch), "r")]
    [InlineData("$iothub/methods/res/200/?$rid=r", nameof(PublishKind.MethodResult), "r")]
    [InlineData("$iothub/methods/res/-3/?$rid=r", nameof(PublishKind.MethodResult), "r")]
    public void A_request_has_its_id_as_it_was_written(string topic, string kind, string requestId)
    {
        var intent = ReadAs("dev", null, topic);

        Assert.Equal((kind, requestId), (intent.Kind.ToString(), intent.RequestId));
    }

    [Theory]
    [InlineData("$iothub/twin/GET/?")]
    [InlineData("$iothub/twin/GET/?$rid=")]
    [InlineData("$iothub/twin/GET/?rid=1")]
    [InlineData("$iothub/twin/GET/")]
    [InlineData("$iothub/methods/res/200/")]
    public void A_request_without_an_id_ends_the_connection(string topic) =>
        Assert.Equal(PublishKind.Refused, ReadAs("dev", null, topic).Kind);

    [Fact]
    public void A_request_id_is_bounded() =>
        Assert.Equal(PublishKind.Refused, ReadAs("dev", null, $"$iothub/twin/GET/?$rid={new string('r', 1025)}").Kind);

    [Fact]
    [Conformance("device-mqtt", 14)]
    public void Retain_becomes_a_property_of_that_message_only()
    {
        var topics = TopicsOf("dev", null);
        var topic = "devices/dev/messages/events/a=1"u8;

        var plain = topics.Read(topic, retain: false).Properties!;
        var retained = topics.Read(topic, retain: true).Properties!;
        var plainAgain = topics.Read(topic, retain: false).Properties!;

        Assert.Equal([new("a", "1")], plain.Properties.Application);
        Assert.Equal([new("a", "1"), new("mqtt-retain", "true")], retained.Properties.Application);
        Assert.Same(plain, plainAgain);
    }

    [Fact]
    public void A_topic_seen_lately_is_not_parsed_again()
    {
        var topics = TopicsOf("dev", null);

        var first = topics.Read("devices/dev/messages/events/a=1"u8, retain: false).Properties;
        for (var i = 0; i < 3; i++)
        {
            topics.Read(Encoding.UTF8.GetBytes($"devices/dev/messages/events/a=x{i}"), retain: false);
        }

        Assert.Same(first, topics.Read("devices/dev/messages/events/a=1"u8, retain: false).Properties);
        topics.Read("devices/dev/messages/events/a=y"u8, retain: false);
        Assert.NotSame(first, topics.Read("devices/dev/messages/events/a=1"u8, retain: false).Properties);
    }

    [Fact]
    [Conformance("device-mqtt", 12)]
    public void A_will_on_the_telemetry_topic_is_marked()
    {
        var will = TopicsOf("dev", null).ReadWill("devices/dev/messages/events/a=1&iothub-MessageType=x", retain: true);

        Assert.Equal([new("a", "1"), new("mqtt-retain", "true"), new("iothub-MessageType", "Will")], will!.Properties.Application);
    }

    [Theory]
    [InlineData("devices/other/messages/events/")]
    [InlineData("$iothub/twin/GET/?$rid=1")]
    [InlineData("devices/dev/messages/events/&")]
    public void A_will_on_any_other_topic_is_refused(string topic) =>
        Assert.Null(TopicsOf("dev", null).ReadWill(topic, retain: false));

    [Theory]
    [InlineData("devices/dev@1/messages/devicebound/#", nameof(MqttFeeds.Commands))]
    [InlineData("devices/dev%401/messages/devicebound/#", nameof(MqttFeeds.Commands))]
    [InlineData("devices/dev@1/messages/devicebound", nameof(MqttFeeds.Commands))]
    [InlineData("devices/dev@1/messages/#", nameof(MqttFeeds.Commands))]
    [InlineData("devices/dev@1/#", nameof(MqttFeeds.Commands))]
    [InlineData("$iothub/twin/res/#", nameof(MqttFeeds.TwinResponses))]
    [InlineData("$iothub/twin/res", nameof(MqttFeeds.TwinResponses))]
    [InlineData("$iothub/twin/PATCH/properties/desired/#", nameof(MqttFeeds.DesiredProperties))]
    [InlineData("$iothub/methods/POST/#", nameof(MqttFeeds.Methods))]
    [InlineData("$iothub/methods/POST/reboot/#", nameof(MqttFeeds.Methods))]
    [InlineData("#", "Commands, TwinResponses, DesiredProperties, Methods")]
    public void A_device_may_subscribe_to(string filter, string feeds) =>
        Assert.Equal(feeds, TopicsOf("dev@1", null).ReadFilter(filter).ToString());

    [Theory]
    [InlineData("devices/dev/modules/m/#", nameof(MqttFeeds.Inputs))]
    [InlineData("devices/dev/modules/m/inputs/#", nameof(MqttFeeds.Inputs))]
    [InlineData("devices/dev/modules/m/inputs", nameof(MqttFeeds.Inputs))]
    [InlineData("$iothub/methods/POST/#", nameof(MqttFeeds.Methods))]
    [InlineData("#", "TwinResponses, DesiredProperties, Methods, Inputs")]
    public void A_module_may_subscribe_to(string filter, string feeds) =>
        Assert.Equal(feeds, TopicsOf("dev", "m").ReadFilter(filter).ToString());

    [Theory]
    [Conformance("device-mqtt", 17)]
    [InlineData(null, "devices/other/messages/devicebound/#")]
    [InlineData(null, "devices/+/messages/devicebound/#")]
    [InlineData(null, "devices/#")]
    [InlineData(null, "devices/dev")]
    [InlineData(null, "devices/dev/messages")]
    [InlineData(null, "devices/dev/modules/m/#")]
    [InlineData(null, "devices/dev/messages/events/#")]
    [InlineData(null, "$iothub/unknown/#")]
    [InlineData(null, "$iothub/#")]
    [InlineData(null, "$iothub/methods/POST/a/b/#")]
    [InlineData(null, "$iothub/methods/POST/+/#")]
    [InlineData(null, "$SYS/#")]
    [InlineData(null, "+")]
    [InlineData("m", "devices/dev/messages/devicebound/#")]
    [InlineData("m", "devices/dev/modules/n/#")]
    [InlineData("m", "devices/dev/#")]
    public void No_one_may_subscribe_to_anything_else(string? module, string filter) =>
        Assert.Equal(MqttFeeds.None, TopicsOf("dev", module).ReadFilter(filter));

    private static MqttTopics TopicsOf(string device, string? module) =>
        new(new IdentityId(DeviceId.Parse(device), module is null ? null : ModuleId.Parse(module)));

    private static Read ReadAs(string device, string? module, string topic)
    {
        var intent = TopicsOf(device, module).Read(Encoding.UTF8.GetBytes(topic), retain: false);
        return new Read(
            intent.Kind, intent.Properties, Encoding.UTF8.GetString(intent.RequestId), intent.Reason, intent.Failure?.Code);
    }

    // A PublishIntent cannot leave the stack.
    private sealed record Read(
        PublishKind Kind,
        Nave.Hub.Telemetry.TelemetryProperties? Properties,
        string RequestId,
        CloseReason Reason,
        HubErrorCode? Code);
}
