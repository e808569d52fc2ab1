using Amqp.Framing;
using Nave.Hub.Commands;
using Nave.Hub.Devices;
using Nave.Hub.Tests.Harness;
using Nave.Protocol.Messages;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Amqp;

/// <summary>Commands as a device receives and settles them over AMQP, against a whole hub.</summary>
public sealed class AmqpCommandTests : IAsyncLifetime
{
    private const string Address = "/devices/dev-1/messages/deviceBound";

    private TestHub _hub = null!;
    private DeviceIdentity _device = null!;
    private AmqpDeviceClient _client = null!;

    public async ValueTask InitializeAsync()
    {
        _hub = await DeviceHub.StartAsync();
        _device = await _hub.CreateAsync("dev-1");
        _client = await AmqpDeviceClient.ConnectDeviceAsync(_hub, _device);
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _hub.DisposeAsync();
    }

    [Fact]
    [Conformance("device-amqp", 13)]
    public async Task A_command_carries_its_lock_token_and_annotations_of_the_exact_types()
    {
        await QueueAsync(new MessageProperties
        {
            MessageId = "cmd-1",
            CorrelationId = "c",
            UserId = "me",
            ContentType = "text/plain",
            ContentEncoding = "utf-8",
            Application = [new("colour", "grün")],
        });
        var receiver = await _client.ReceiverAsync(Address);
        receiver.Grant(10);
        var command = await receiver.NextAsync();

        Assert.Equal(16, command.DeliveryTag.Length);
        Assert.Equal(new Guid(command.DeliveryTag).ToString("D"), command.Annotation("x-opt-lock-token"));
        Assert.Equal(1ul, Assert.IsType<ulong>(command.Annotation("x-opt-sequence-number")));
        Assert.Equal((byte)0, Assert.IsType<byte>(command.Annotation("iothub-deliverycount")));
        Assert.IsType<DateTime>(command.Annotation("iothub-enqueuedtime"));
        Assert.Equal(0u, command.Header.DeliveryCount);
        Assert.Equal(("cmd-1", "c", "/devices/dev-1/messages/devicebound"), (command.Properties.MessageId, command.Properties.CorrelationId, command.Properties.To));
        Assert.Equal("me"u8.ToArray(), command.Properties.UserId);
        Assert.Equal(("text/plain", "utf-8"), ((string)command.Properties.ContentType, (string)command.Properties.ContentEncoding));
        Assert.Equal(("full", "grün"), (command.ApplicationProperties["iothub-ack"], command.ApplicationProperties["colour"]));
        Assert.Equal("body", command.Text());
        receiver.Link.Accept(command);
        await IsEmptyAsync();
    }

    [Fact]
    [Conformance("device-amqp", 14)]
    public async Task Accepted_completes_rejected_rejects_and_released_comes_again()
    {
        await using var service = await AmqpDeviceClient.ConnectPolicyAsync(_hub, "service");
        var feedback = await service.ReceiverAsync("/messages/serviceBound/feedback");
        await QueueAsync(new MessageProperties { MessageId = "one" });
        var receiver = await _client.ReceiverAsync(Address);
        receiver.Grant(10);

        receiver.Link.Release(await receiver.NextAsync());
        var again = await receiver.NextAsync();
        Assert.Equal(("one", 1u, (byte)1), (again.Properties.MessageId, again.Header.DeliveryCount, again.Annotation("iothub-deliverycount")));
        receiver.Link.Modify(again, deliveryFailed: true, undeliverableHere: false);
        var third = await receiver.NextAsync();
        Assert.Equal(2u, third.Header.DeliveryCount);
        receiver.Link.Accept(third);
        await QueueAsync(new MessageProperties { MessageId = "two" });
        receiver.Link.Reject(await receiver.NextAsync());
        await QueueAsync(new MessageProperties { MessageId = "three" });
        receiver.Link.Modify(await receiver.NextAsync(), deliveryFailed: true, undeliverableHere: true);
        await IsEmptyAsync();

        feedback.Grant(10);
        var batch = (await feedback.NextAsync()).Text();
        Assert.Matches("\"originalMessageId\":\"one\"[^}]*\"statusCode\":\"Success\"", batch);
        Assert.Matches("\"originalMessageId\":\"two\"[^}]*\"statusCode\":\"Rejected\"", batch);
        Assert.Matches("\"originalMessageId\":\"three\"[^}]*\"statusCode\":\"Rejected\"", batch);
    }

    [Fact]
    [Conformance("device-amqp", 15)]
    public async Task A_receiver_that_settles_second_is_answered()
    {
        await QueueAsync(new MessageProperties { MessageId = "one" });
        var receiver = await _client.ReceiverAsync(Address, change: attach => attach.RcvSettleMode = ReceiverSettleMode.Second);
        Assert.Equal(ReceiverSettleMode.Second, (await receiver.AttachedAsync()).RcvSettleMode);
        receiver.Grant(10);
        var command = await receiver.NextAsync();
        Assert.IsType<Accepted>(await _client.SettleSecondAsync(command, new Accepted()));
        await IsEmptyAsync();

        // Its lock runs out before the device says anything: too late.
        _hub.Get<CommandOptions>().LockDuration = TimeSpan.FromMilliseconds(1);
        await receiver.Link.CloseAsync(AmqpDeviceClient.Patience, null);
        receiver = await _client.ReceiverAsync(Address, change: attach => attach.RcvSettleMode = ReceiverSettleMode.Second);
        receiver.Grant(1);
        await QueueAsync(new MessageProperties { MessageId = "two" });
        var late = await receiver.NextAsync();
        await Eventually.IsAsync(() => TimeProvider.System.GetUtcNow().UtcDateTime > ((DateTime)late.Annotation("iothub-enqueuedtime")!).AddSeconds(0.1));
        var answer = Assert.IsType<Rejected>(await _client.SettleSecondAsync(late, new Accepted()));
        Assert.Equal("com.microsoft:message-lock-lost", answer.Error.Condition);
    }

    [Fact]
    [Conformance("device-amqp", 16)]
    public async Task What_a_lost_link_had_in_hand_arrives_on_the_next()
    {
        await QueueAsync(new MessageProperties { MessageId = "one" }, new MessageProperties { MessageId = "two" });
        var receiver = await _client.ReceiverAsync(Address);
        receiver.Grant(10);
        Assert.Equal("one", (await receiver.NextAsync()).Properties.MessageId);
        Assert.Equal("two", (await receiver.NextAsync()).Properties.MessageId);
        await receiver.Link.CloseAsync(AmqpDeviceClient.Patience, null);

        receiver = await _client.ReceiverAsync(Address);
        receiver.Grant(10);
        var again = await receiver.NextAsync();
        Assert.Equal(("one", 0u), (again.Properties.MessageId, again.Header.DeliveryCount));
        Assert.Equal("two", (await receiver.NextAsync()).Properties.MessageId);

        // And over a connection that ends without a word.
        await using var other = await AmqpDeviceClient.ConnectDeviceAsync(_hub, _device);
        receiver = await other.ReceiverAsync(Address);
        receiver.Grant(10);
        Assert.Equal("one", (await receiver.NextAsync()).Properties.MessageId);
    }

    [Fact]
    [Conformance("device-amqp", 17)]
    public async Task There_are_never_more_commands_than_credit()
    {
        await QueueAsync([.. Enumerable.Range(0, 5).Select(i => new MessageProperties { MessageId = $"{i}" })]);
        var receiver = await _client.ReceiverAsync(Address);
        receiver.Grant(2);
        receiver.Link.Accept(await receiver.NextAsync());
        receiver.Link.Accept(await receiver.NextAsync());

        // A command for another device is delivered meanwhile, so the hub has had its turn.
        await _hub.CreateAsync("dev-2");
        await CountIsAsync(3);
        Assert.Equal(0, receiver.Waiting);
        receiver.Grant(3);
        for (var i = 2; i < 5; i++)
        {
            var command = await receiver.NextAsync();
            Assert.Equal($"{i}", command.Properties.MessageId);
            receiver.Link.Accept(command);
        }

        await IsEmptyAsync();
    }

    [Fact]
    public async Task A_completion_that_is_followed_by_a_detach_counts()
    {
        for (var i = 0; i < 20; i++)
        {
            await QueueAsync(new MessageProperties { MessageId = $"{i}" });
            var receiver = await _client.ReceiverAsync(Address);
            receiver.Grant(1);
            var command = await receiver.NextAsync();
            Assert.Equal($"{i}", command.Properties.MessageId);
            receiver.Link.Accept(command);
            await receiver.Link.CloseAsync(AmqpDeviceClient.Patience, null);
        }

        await IsEmptyAsync();
    }

    [Fact]
    public async Task A_second_receiver_of_commands_on_the_connection_takes_the_place_of_the_first()
    {
        var first = await _client.ReceiverAsync(Address);
        first.Grant(10);
        var second = await _client.ReceiverAsync(Address);
        second.Grant(10);
        Assert.Equal("amqp:link:stolen", (await first.ClosedAsync()).Condition);
        await QueueAsync(new MessageProperties { MessageId = "one" });
        Assert.Equal("one", (await second.NextAsync()).Properties.MessageId);
    }

    [Fact]
    public async Task A_module_has_commands_of_its_own()
    {
        var module = await _hub.CreateAsync("dev-1", "m");
        await using var client = await AmqpDeviceClient.ConnectDeviceAsync(_hub, module);
        var receiver = await client.ReceiverAsync("/devices/dev-1/modules/m/messages/devicebound");
        receiver.Grant(1);
        Assert.Null(await _hub.Get<CommandSender>().SendAsync(module.Id, new CloudToDeviceMessage(new MessageProperties { MessageId = "m" }, default, default), TestContext.Current.CancellationToken));
        var command = await receiver.NextAsync();
        Assert.Equal("m", command.Properties.MessageId);
        Assert.Empty((byte[])command.Body);
    }

    private async Task QueueAsync(params MessageProperties[] commands)
    {
        foreach (var properties in commands)
        {
            Assert.Null(await _hub.Get<CommandSender>().SendAsync(
                _device.Id, new CloudToDeviceMessage(properties, "body"u8.ToArray(), AcknowledgementRequest.Full), TestContext.Current.CancellationToken));
        }
    }

    private Task IsEmptyAsync() => CountIsAsync(0);

    private async Task CountIsAsync(int expected)
    {
        var store = _hub.Get<CommandStore>();
        var count = -1;
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        for (var i = 0; i < 2000 && count != expected; i++)
        {
            count = (await store.LoadAsync(_device.Id))?.Commands.Count ?? -1;
            await timer.WaitForNextTickAsync();
        }

        Assert.Equal(expected, count);
    }
}
