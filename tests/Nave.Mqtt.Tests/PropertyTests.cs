using System.Text;
using Nave.Mqtt.Tests.Harness;

namespace Nave.Mqtt.Tests;

public sealed class PropertyTests
{
    private const string Publish =
        "30 1e 0001 74 19 26 0001 6b 0001 76 02 0000003c 26 0001 6b 0001 77 23 0007 0b 8001 78";

    [Fact]
    public void Properties_are_walked_over_in_order()
    {
        var seen = new List<string>();
        var publish = PublishPacket.Read(AnyPacket.FrameOf(Publish), MqttVersion.V5);

        foreach (var property in publish.Properties)
        {
            seen.Add($"{property.Id} {property.Number} {Text(property.Bytes)} {Text(property.UserValue)}".TrimEnd());
        }

        Assert.Equal(
            [
                "UserProperty 0 k v", "MessageExpiryInterval 60", "UserProperty 0 k w", "TopicAlias 7",
                "SubscriptionIdentifier 128",
            ],
            seen);
        Assert.Equal("x", Encoding.UTF8.GetString(publish.Payload.FirstSpan));
    }

    [Fact]
    public void Properties_are_collected_into_an_object()
    {
        var properties = PublishPacket.Read(AnyPacket.FrameOf(Publish), MqttVersion.V5).ReadProperties();

        Assert.Equal((60U, (ushort)7), (properties.MessageExpiryInterval, properties.TopicAlias));
        Assert.Equal([new("k", "v"), new("k", "w")], properties.UserProperties);
        Assert.Equal([128], properties.SubscriptionIdentifiers);
        Assert.Null(properties.CorrelationData);
        Assert.Null(properties.ContentType);
    }

    [Fact]
    public void Empty_data_is_told_from_none()
    {
        var properties =
            PublishPacket.Read(AnyPacket.FrameOf("30 0a 0001 74 06 09 0000 03 0000"), MqttVersion.V5).ReadProperties();

        Assert.Equal(0, properties.CorrelationData?.Length);
        Assert.Equal("", properties.ContentType);
    }

    private static string Text(ReadOnlySpan<byte> bytes) => Encoding.UTF8.GetString(bytes);
}
