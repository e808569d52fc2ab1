using Nave.Cli.Events;

namespace Nave.Cli.Tests.Events;

public sealed class EventFilterTests
{
    private static readonly ReceivedEvent Event = new()
    {
        Partition = "0",
        DeviceId = "pump-7-north",
        ModuleId = "motor",
        System = new Dictionary<string, object?> { ["message-id"] = "m1" },
        Properties = new Dictionary<string, object?> { ["alarm"] = "true" },
        Body = "{\"Temperature\":20}"u8.ToArray(),
    };

    [Theory]
    [InlineData("pump-7-north", true)]
    [InlineData("pump-7", false)]
    [InlineData("pump-*", true)]
    [InlineData("*north", true)]
    [InlineData("*-7-*", true)]
    [InlineData("p*7*h", true)]
    [InlineData("*south*", false)]
    [InlineData("pump-7-north*north", false)]
    [InlineData("PUMP-*", false)]
    public void Devices_are_matched_by_pattern(string pattern, bool passes) =>
        Assert.Equal(passes, new EventFilter { Device = pattern }.Passes(Event));

    [Theory]
    [InlineData("alarm", "true", true)]
    [InlineData("message-id", "m1", true)]
    [InlineData("alarm", "false", false)]
    [InlineData("absent", "", false)]
    public void Properties_of_either_kind_are_compared(string name, string value, bool passes) =>
        Assert.Equal(passes, new EventFilter { Properties = [(name, value)] }.Passes(Event));

    [Fact]
    public void Text_is_looked_for_in_the_body_and_conditions_add_up()
    {
        Assert.True(new EventFilter { Contains = "temperature", Module = "motor" }.Passes(Event));
        Assert.False(new EventFilter { Contains = "temperature", Module = "pump" }.Passes(Event));
        Assert.True(new EventFilter().Passes(Event));
    }

    [Fact]
    public void The_body_is_json_text_or_base64()
    {
        Assert.Equal(20, (int)Event.ToJson()["body"]!["Temperature"]!);
        Assert.Equal("plain", (string)(Event with { Body = "plain"u8.ToArray() }).ToJson()["body"]!);
        Assert.Equal("/w==", (string)(Event with { Body = new byte[] { 0xff } }).ToJson()["bodyBase64"]!);
    }
}
