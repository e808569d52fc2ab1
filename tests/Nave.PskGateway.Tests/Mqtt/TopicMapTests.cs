using Nave.Protocol.Messages;
using Nave.PskGateway.Mqtt;
using Nave.PskGateway.Tests.Harness;
using Nave.PskGateway.Upstream;
using Nave.Tests;

namespace Nave.PskGateway.Tests.Mqtt;

public sealed class TopicMapTests
{
    private static readonly string[] Table =
    [
        "# old firmware",
        "up sensors/+/temp devices/{device}/messages/events/type=temp&sensor={1}",
        "up site/{device}/log/# devices/{device}/messages/events/path={1}",
        "up state/get $iothub/twin/GET/?$rid=0",
        "up answer/+/+ $iothub/methods/res/{1}/?$rid={2}",
        "",
        "down commands cmd/{device}/{properties}",
        "down twin state/{status}",
        "down desired wanted/{version}",
        "down methods do/{method}/{rid}",
    ];

    [Fact]
    [Conformance("tls-psk", 17)]
    public async Task Topics_are_rewritten_in_both_directions()
    {
        await using var desk = await PskDesk.StartAsync(options => options with { Topics = TopicMap.Parse(Table) });
        using var device = await PskDevice.ConnectAsync(desk.Server.Port);
        var hub = await desk.Hub.OpenedAsync();
        foreach (var filter in (string[])["cmd/dev/#", "state/+", "wanted/+", "do/#"])
        {
            Assert.Equal([0], await device.SubscribeAsync(filter, 0));
        }

        await device.PublishAsync("sensors/roof 1/temp", "21");
        var telemetry = await hub.SentAsync();
        telemetry.Accept();
        await device.PubAckAsync();
        await device.PublishAsync("site/dev/log/a/b", "x", 0);
        var log = await hub.SentAsync();
        await device.PublishAsync("state/get", "", 0);
        log.Accept();
        var twin = await device.MessageAsync();
        hub.Events.DesiredChanged("{}"u8.ToArray(), 9);
        var desired = await device.MessageAsync();
        hub.Events.Command(new HubCommand("t", new MessageProperties { MessageId = "m" }, null, "go"u8.ToArray()));
        var command = await device.MessageAsync();
        hub.Events.MethodCalled(new HubMethodCall("7", "reboot", default));
        var method = await device.MessageAsync();
        await device.PublishAsync("answer/200/7", "{}", 0);

        Assert.Equal([new("type", "temp"), new("sensor", "roof 1")], telemetry.Properties.Application);
        Assert.Equal([new("path", "a/b")], log.Properties.Application);
        Assert.Equal(("state/200", "wanted/9", "cmd/dev/%24.mid=m", "do/reboot/7"), (twin.Topic, desired.Topic, command.Topic, method.Topic));
        Assert.Equal(("7", 200, "{}"), await hub.AnsweredAsync());
    }

    [Theory]
    [Conformance("tls-psk", 17)]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Unmapped_topics_follow_the_policy(bool isDropped)
    {
        await using var desk = await PskDesk.StartAsync(options => options with { Topics = TopicMap.Parse(Table), DropUnmapped = isDropped });
        using var device = await PskDevice.ConnectAsync(desk.Server.Port);
        var hub = await desk.Hub.OpenedAsync();

        var id = await device.PublishAsync("elsewhere", "x");

        if (isDropped)
        {
            Assert.Equal(id, await device.PubAckAsync());
            Assert.Equal([0x80], await device.SubscribeAsync("elsewhere/#"));
        }
        else
        {
            await device.ExpectCloseAsync();
        }

        Assert.Equal(0, hub.Waiting);
    }

    [Fact]
    public async Task Nothing_in_a_devices_topic_makes_another_devices()
    {
        await using var desk = await PskDesk.StartAsync(options => options with { Topics = TopicMap.Parse(Table) });
        using var device = await PskDevice.ConnectAsync(desk.Server.Port);
        var hub = await desk.Hub.OpenedAsync();

        await device.PublishAsync("sensors/a&%24.cid=x/temp", "1", 0);
        var sent = await hub.SentAsync();
        await device.PublishAsync("site/other/log/x", "1");

        await device.ExpectCloseAsync();
        Assert.Null(sent.Properties.CorrelationId);
        Assert.Contains(new KeyValuePair<string, string?>("sensor", "a&%24.cid=x"), sent.Properties.Application);
    }

    [Theory]
    [InlineData("up a")]
    [InlineData("up a b")]
    [InlineData("up a/#/b devices/{device}/messages/events/")]
    [InlineData("up a devices/other/messages/events/")]
    [InlineData("down commands a/#")]
    [InlineData("down everything a")]
    [InlineData("over a b")]
    public void A_rule_that_cannot_work_is_named(string line)
    {
        var failure = Assert.Throws<FormatException>(() => TopicMap.Parse(["", line]));

        Assert.Contains("line 2", failure.Message, StringComparison.Ordinal);
    }
}
