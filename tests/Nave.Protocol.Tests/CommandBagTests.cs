using Nave.Protocol.Messages;
using Nave.Tests;

namespace Nave.Protocol.Tests;

public sealed class CommandBagTests
{
    [Fact]
    [Conformance("device-mqtt", 19)]
    public void A_command_with_nothing_of_its_own_still_says_to_whom_it_goes() =>
        Assert.Equal(
            "%24.to=%2Fdevices%2Fd%2Fmessages%2FdeviceBound",
            PropertyBag.WriteCommand(new MessageProperties { To = "/devices/d/messages/deviceBound" }, null));

    [Fact]
    [Conformance("device-mqtt", 20)]
    public void Times_have_seven_fraction_digits_and_a_zone()
    {
        var bag = PropertyBag.WriteCommand(
            new MessageProperties { ExpiryTime = new DateTimeOffset(2026, 11, 25, 10, 0, 0, TimeSpan.FromHours(1)), CreationTime = "2026-11-25T09:00:00.5Z" },
            null);

        Assert.Equal("%24.exp=2026-11-25T09%3A00%3A00.0000000Z&%24.ctime=2026-11-25T09%3A00%3A00.5000000Z", bag);
    }

    [Fact]
    [Conformance("device-mqtt", 21)]
    public void Null_empty_and_blank_values_have_a_form_of_their_own() =>
        Assert.Equal("k&e=&v=a%20b", PropertyBag.WriteCommand(new MessageProperties { Application = [new("k", null), new("e", ""), new("v", "a b")] }, null));

    [Fact]
    public void System_properties_come_in_the_service_s_order_and_the_sender_s_own_last() =>
        Assert.Equal(
            "%24.mid=m&%24.to=t&%24.cid=c&%24.uid=u&%24.ct=ct&%24.ce=ce&iothub-ack=full&k%26%3D%2F=%C3%BC",
            PropertyBag.WriteCommand(
                new MessageProperties
                {
                    MessageId = "m",
                    To = "t",
                    CorrelationId = "c",
                    UserId = "u",
                    ContentType = "ct",
                    ContentEncoding = "ce",
                    Application = [new("k&=/", "ü")],
                },
                "full"));
}
