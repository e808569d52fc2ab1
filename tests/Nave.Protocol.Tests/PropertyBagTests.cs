using System.Text;
using Nave.Protocol.Messages;
using Nave.Tests;

namespace Nave.Protocol.Tests;

public sealed class PropertyBagTests
{
    // As azure-iot-device 1.18.4 wrote it (spec/device-mqtt.md 4).
    private const string NodeBag =
        "%24.mid=mid%201%2F%C3%A9&%24.cid=cid&%24.ct=application%2Fjson&%24.ce=utf-8&%24.ifid=urn%3Aif%3A1"
        + "&%24.exp=1970-01-01T00%3A00%3A00.000Z&p%201=v%2F1%26%3D%C3%A9%25&%24.sub=comp1&empty=";

    [Fact]
    [Conformance("device-mqtt", 15)]
    public void The_bag_of_the_Node_client_is_read_property_by_property()
    {
        var properties = Parse(NodeBag);

        Assert.Equal("mid 1/é", properties.MessageId);
        Assert.Equal("cid", properties.CorrelationId);
        Assert.Equal("application/json", properties.ContentType);
        Assert.Equal("utf-8", properties.ContentEncoding);
        Assert.Equal("urn:if:1", properties.InterfaceId);
        Assert.Equal(DateTimeOffset.UnixEpoch, properties.ExpiryTime);
        Assert.Equal("comp1", properties.Component);
        Assert.Equal([new("p 1", "v/1&=é%"), new("empty", "")], properties.Application);
    }

    [Fact]
    [Conformance("device-mqtt", 15)]
    public void Every_key_of_the_table_arrives_under_its_name()
    {
        var properties = Parse(
            "$.mid=1&$.cid=2&$.uid=3&$.to=4&$.ct=5&$.ce=6&$.exp=2026-11-22T10:00:00.1234567Z&$.ctime=7&$.ifid=8&$.sub=9"
            + "&$.on=10&$.schema=11&$.diagid=12&$.diagctx=13&iothub-ack=full");

        Assert.Equal("1", properties.MessageId);
        Assert.Equal("2", properties.CorrelationId);
        Assert.Equal("3", properties.UserId);
        Assert.Equal("4", properties.To);
        Assert.Equal("5", properties.ContentType);
        Assert.Equal("6", properties.ContentEncoding);
        Assert.Equal(new DateTimeOffset(2026, 11, 22, 10, 0, 0, TimeSpan.Zero).AddTicks(1_234_567), properties.ExpiryTime);
        Assert.Equal("7", properties.CreationTime);
        Assert.Equal("8", properties.InterfaceId);
        Assert.Equal("9", properties.Component);
        Assert.Equal("10", properties.OutputName);
        Assert.Equal("11", properties.Schema);
        Assert.Equal("12", properties.DiagnosticId);
        Assert.Equal("13", properties.DiagnosticContext);
        Assert.Equal([new("iothub-ack", "full")], properties.Application);
    }

    [Theory]
    [Conformance("device-mqtt", 15)]
    [InlineData("a=b", "a", "b")]
    [InlineData("a=", "a", "")]
    [InlineData("a", "a", null)]
    [InlineData("a=1+1", "a", "1+1")]
    [InlineData("a+b=%2B", "a+b", "+")]
    [InlineData("Key=Value", "Key", "Value")]
    [InlineData("%E2%82%AC=%f0%9f%98%80", "€", "😀")]
    [InlineData("€=é", "€", "é")]
    [InlineData("a%3Db=c%26d", "a=b", "c&d")]
    [InlineData("a=1&a=2", "a", "2")]
    [InlineData("$.unknown=x&a=1&%24.cdid=y", "a", "1")]
    [InlineData("$foo=x", "$foo", "x")]
    [InlineData("mqtt-retain=no", "mqtt-retain", "no")]
    public void A_pair_is_an_application_property(string bag, string key, string? value) =>
        Assert.Equal([new(key, value)], Parse(bag).Application);

    [Theory]
    [InlineData("2026-11-22T10:00:00.000Z", 0)]
    [InlineData("2026-11-22T10:00:00Z", 0)]
    [InlineData("2026-11-22T10:00:00", 0)]
    [InlineData("2026-11-22T11:00:00.500000+01:00", 500)]
    public void An_expiry_is_read_in_the_forms_that_clients_write(string text, int milliseconds) =>
        Assert.Equal(
            new DateTimeOffset(2026, 11, 22, 10, 0, 0, milliseconds, TimeSpan.Zero),
            Parse($"$.exp={text}").ExpiryTime);

    [Theory]
    [InlineData("$.exp=0")]
    [InlineData("$.exp=")]
    [InlineData("$.exp")]
    [InlineData("$.mid")]
    [InlineData("")]
    public void A_system_property_without_a_value_is_absent(string bag) => Assert.Equal(MessageProperties.Empty, Parse(bag));

    [Theory]
    [InlineData("a=b=c")]
    [InlineData("a==")]
    [InlineData("=b")]
    [InlineData("=")]
    [InlineData("&")]
    [InlineData("a=1&&b=2")]
    [InlineData("a=1&")]
    [InlineData("&a=1")]
    [InlineData("a=%")]
    [InlineData("a=%4")]
    [InlineData("a=%zz")]
    [InlineData("a=%+1")]
    [InlineData("%=1")]
    [InlineData("a=%ff")]
    [InlineData("a=%C3")]
    [InlineData("$.exp=tomorrow")]
    [InlineData("$.exp=22/11/2026")]
    public void A_broken_bag_is_refused_with_a_reason(string bag)
    {
        Assert.False(PropertyBag.TryParse(Encoding.UTF8.GetBytes(bag), out _, out var fault));
        Assert.NotEmpty(fault);
    }

    [Theory]
    [InlineData("$.mid", 128, true)]
    [InlineData("$.mid", 129, false)]
    [InlineData("$.cid", PropertyBag.MaxSystemPropertyBytes, true)]
    [InlineData("$.cid", PropertyBag.MaxSystemPropertyBytes + 1, false)]
    [InlineData("anything", 60_000, true)]
    public void Lengths_are_bounded(string key, int length, bool isAccepted) =>
        Assert.Equal(isAccepted, PropertyBag.TryParse(Encoding.UTF8.GetBytes($"{key}={new string('x', length)}"), out _, out _));

    [Fact]
    public void Thousands_of_pairs_keep_their_order_and_the_last_of_a_key_wins()
    {
        var bag = string.Join('&', Enumerable.Range(0, 5000).Select(i => $"k{i}={i}")) + "&k3=last";

        var application = Parse(bag).Application;

        Assert.Equal(5000, application.Count);
        Assert.Equal(new("k3", "last"), application[3]);
        Assert.Equal(new("k4999", "4999"), application[4999]);
    }

    [Fact]
    public void Any_bytes_give_properties_or_a_reason()
    {
        var random = new Random(20261122);
        var alphabet = "$.%24abc&==+/\0é\xFF"u8.ToArray();
        for (var i = 0; i < 20_000; i++)
        {
            var bag = new byte[random.Next(40)];
            for (var j = 0; j < bag.Length; j++)
            {
                bag[j] = alphabet[random.Next(alphabet.Length)];
            }

            Assert.True(PropertyBag.TryParse(bag, out _, out var fault) != (fault is not null), Convert.ToHexString(bag));
        }
    }

    private static MessageProperties Parse(string bag)
    {
        Assert.True(PropertyBag.TryParse(Encoding.UTF8.GetBytes(bag), out var properties, out var fault), fault);
        return properties;
    }
}
