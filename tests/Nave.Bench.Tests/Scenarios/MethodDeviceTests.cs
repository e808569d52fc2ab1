using System.Text;
using Nave.Bench.Scenarios;

namespace Nave.Bench.Tests.Scenarios;

public sealed class MethodDeviceTests
{
    [Fact]
    public void A_request_is_answered_with_its_own_id_and_payload()
    {
        var request = Publish("$iothub/methods/POST/echo/?$rid=0f8fad5b-d9cb-469f-a165-70867728950e", """{"delay":5}""");

        Assert.Equal(
            Publish("$iothub/methods/res/200/?$rid=0f8fad5b-d9cb-469f-a165-70867728950e", """{"delay":5}"""),
            MethodDevice.Answer(request));
    }

    [Fact]
    public void A_payload_whose_length_takes_two_bytes_is_answered_whole()
    {
        var payload = $"\"{new string('x', 500)}\"";

        Assert.Equal(
            Publish("$iothub/methods/res/200/?$rid=1", payload), MethodDevice.Answer(Publish("$iothub/methods/POST/m/?$rid=1", payload)));
    }

    [Theory]
    [InlineData("$iothub/twin/res/200/?$rid=1")]
    [InlineData("$iothub/methods/POST/m")]
    [InlineData("")]
    public void Nothing_else_is_answered(string topic) => Assert.Null(MethodDevice.Answer(Publish(topic, "{}")));

    [Theory]
    [InlineData("")]
    [InlineData("30")]
    [InlineData("300100")]
    [InlineData("30020005")]
    [InlineData("40020001")]
    public void What_is_no_whole_PUBLISH_is_not_answered(string packet) => Assert.Null(MethodDevice.Answer(Convert.FromHexString(packet)));

    // By hand: what is tested writes its own.
    private static byte[] Publish(string topic, string payload)
    {
        var length = 2 + topic.Length + payload.Length;
        byte[] remaining = length < 128 ? [(byte)length] : [(byte)(0x80 | (length % 128)), (byte)(length / 128)];
        return [0x30, .. remaining, 0, (byte)topic.Length, .. Encoding.UTF8.GetBytes(topic), .. Encoding.UTF8.GetBytes(payload)];
    }
}
