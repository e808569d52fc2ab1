using Nave.Hub.Devices;
using Nave.Hub.Heads.Mqtt;
using Nave.Hub.Tests.Harness;

namespace Nave.Hub.Tests.Heads.Mqtt;

public sealed class MqttChannelTests
{
    private readonly MqttChannel _channel = new(new MqttTestClient().ServerSide.Input);

    [Fact]
    public void Closing_is_told_to_who_waited_before_and_to_who_asks_afterwards()
    {
        var before = _channel.Closing;
        Assert.False(before.IsCancellationRequested);

        _channel.Close(CloseReason.Forced);

        Assert.True(before.IsCancellationRequested);
        Assert.True(_channel.Closing.IsCancellationRequested);
    }

    [Fact]
    public void A_channel_at_rest_tells_the_next_who_asks()
    {
        Assert.False(_channel.Closing.IsCancellationRequested);
        _channel.RestClosing();
        var waiting = _channel.Closing;

        _channel.Close(CloseReason.Forced);
        _channel.Close(CloseReason.HubStopping);

        Assert.True(waiting.IsCancellationRequested);
        Assert.Equal(CloseReason.Forced, _channel.Reason);
    }
}
