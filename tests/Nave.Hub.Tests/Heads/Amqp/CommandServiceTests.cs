using Amqp;
using Amqp.Framing;
using Amqp.Types;
using Nave.Hub.Commands;
using Nave.Hub.Tests.Harness;
using Nave.Tests;

namespace Nave.Hub.Tests.Heads.Amqp;

/// <summary>What a back end does with commands and feedback over AMQP, against a whole hub.</summary>
public sealed class CommandServiceTests : IAsyncLifetime
{
    private const string Commands = "/messages/devicebound";
    private const string Feedback = "/messages/serviceBound/feedback";

    private TestHub _hub = null!;
    private AmqpDeviceClient _service = null!;

    public async ValueTask InitializeAsync()
    {
        _hub = await DeviceHub.StartAsync();
        _service = await AmqpDeviceClient.ConnectPolicyAsync(_hub, "service");
        await _hub.CreateAsync("dev-1");
    }

    public async ValueTask DisposeAsync()
    {
        await _service.DisposeAsync();
        await _hub.DisposeAsync();
    }

    [Fact]
    [Conformance("service-amqp", 7)]
    public async Task The_links_need_a_policy_with_ServiceConnect()
    {
        await using var stranger = await AmqpDeviceClient.ConnectAsync(_hub);
        Assert.Equal("amqp:unauthorized-access", await (await stranger.SenderAsync(Commands)).ClosedAsync());
        Assert.Equal("amqp:unauthorized-access", (await (await stranger.ReceiverAsync(Feedback)).ClosedAsync()).Condition);
        await using var device = await AmqpDeviceClient.ConnectPolicyAsync(_hub, "device");
        Assert.Equal("amqp:unauthorized-access", await (await device.SenderAsync(Commands)).ClosedAsync());
        Assert.Equal("amqp:not-allowed", (await (await _service.ReceiverAsync(Commands)).ClosedAsync()).Condition);
        Assert.Equal("amqp:not-implemented", (await (await _service.ReceiverAsync("/messages/serviceBound/filenotifications")).ClosedAsync()).Condition);
    }

    [Theory]
    [Conformance("service-amqp", 8, 24, 25)]
    [InlineData("/messages/devicebound")]
    [InlineData("messages/DeviceBound")]
    [InlineData("amqps://{host}:5671/messages/deviceBound")]
    public async Task Every_spelling_of_the_address_attaches_whatever_else_the_attach_holds(string address)
    {
        var sender = await _service.SenderAsync(address.Replace("{host}", _hub.HostName, StringComparison.Ordinal), change: attach =>
        {
            attach.Source = null;
            attach.Properties = new Fields { [new Symbol("com.microsoft:timeout")] = 9634.7, [new Symbol("com.microsoft:client-version")] = "x" };
        });
        Assert.Null(await sender.SendAsync(To("dev-1")));
        Assert.Equal(1, await CountAsync("dev-1"));
    }

    [Theory]
    [Conformance("service-amqp", 9)]
    [InlineData("dev#1", "dev%231")]
    [InlineData("dev#1", "dev#1")]
    [InlineData("a+b", "a+b")]
    [InlineData("a%20b", "a%20b")]
    [InlineData("a%20b", "a%2520b")]
    public async Task The_device_is_found_however_its_id_is_written(string id, string written)
    {
        await _hub.CreateAsync(id);
        var sender = await _service.SenderAsync(Commands);
        Assert.Null(await sender.SendAsync(To(written)));
        Assert.Equal(1, await CountAsync(id));
    }

    [Fact]
    [Conformance("service-amqp", 11)]
    public async Task The_51st_command_is_rejected_and_the_link_serves_the_next_device()
    {
        await _hub.CreateAsync("dev-2");
        var sender = await _service.SenderAsync(Commands);
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => sender.SendAsync(To("dev-1"))));
        Assert.All(outcomes, Assert.Null);
        Assert.Equal("amqp:resource-limit-exceeded", (await sender.SendAsync(To("dev-1")))?.Condition);
        Assert.Null(await sender.SendAsync(To("dev-2")));
    }

    [Fact]
    [Conformance("service-amqp", 12, 13, 14)]
    public async Task What_cannot_be_queued_is_rejected_with_why()
    {
        var disabled = await _hub.CreateAsync("off");
        await _hub.SetEnabledAsync(disabled, false);
        var sender = await _service.SenderAsync(Commands);
        Assert.Equal("amqp:not-found", (await sender.SendAsync(To("nobody")))?.Condition);
        Assert.Equal("amqp:not-found", (await sender.SendAsync(To("off")))?.Condition);
        Assert.Equal("amqp:not-found", (await sender.SendAsync(To("dev-1/modules/none")))?.Condition);
        var tooLarge = To("dev-1");
        tooLarge.BodySection = new Data { Binary = new byte[65_537] };
        Assert.Equal("amqp:link:message-size-exceeded", (await sender.SendAsync(tooLarge))?.Condition);
        var bogus = To("dev-1", acknowledgement: "bogus");
        Assert.Equal("com.microsoft:argument-error", (await sender.SendAsync(bogus))?.Condition);
        Assert.Equal("com.microsoft:argument-error", (await sender.SendAsync(new Message { BodySection = new Data { Binary = [1] } }))?.Condition);
        var elsewhere = new Message { Properties = new Properties { To = "/devices/dev-1/messages/events" }, BodySection = new Data { Binary = [1] } };
        Assert.Equal("com.microsoft:argument-error", (await sender.SendAsync(elsewhere))?.Condition);
        Assert.Null(await sender.SendAsync(To("dev-1", acknowledgement: "FULL")));
    }

    [Fact]
    [Conformance("service-amqp", 10, 15, 16)]
    public async Task Feedback_comes_as_clients_read_it_and_completes_once()
    {
        var id = new Guid("0F8FAD5B-D9CB-469F-A165-70867728950E");
        var command = To("dev-1", acknowledgement: "full");
        command.Properties.SetMessageId(id);
        Assert.Null(await (await _service.SenderAsync(Commands)).SendAsync(command));
        await CompleteAsync();

        var feedback = await _service.ReceiverAsync(Feedback, change: attach => attach.RcvSettleMode = ReceiverSettleMode.Second);
        feedback.Grant(1);
        var batch = await feedback.NextAsync();
        Assert.Equal(16, batch.DeliveryTag.Length);
        Assert.Equal("application/vnd.microsoft.iothub.feedback.json", (string)batch.Properties.ContentType);
        Assert.Equal(_hub.HostName.Split('.')[0], System.Text.Encoding.UTF8.GetString(batch.Properties.UserId));
        Assert.IsType<DateTime>(batch.Annotation("iothub-enqueuedtime"));
        Assert.Contains($"\"originalMessageId\":\"{id:D}\"", batch.Text(), StringComparison.Ordinal);
        Assert.Contains("\"statusCode\":\"Success\"", batch.Text(), StringComparison.Ordinal);
        Assert.IsType<Accepted>(await _service.SettleSecondAsync(batch, new Accepted()));
        Assert.Equal(0, await CountFeedbackAsync());
    }

    [Fact]
    [Conformance("service-amqp", 17)]
    public async Task An_abandoned_batch_is_answered_accepted_and_comes_again()
    {
        await SendAndCompleteAsync("one");
        var feedback = await _service.ReceiverAsync(Feedback, change: attach => attach.RcvSettleMode = ReceiverSettleMode.Second);
        feedback.Grant(2);
        var batch = await feedback.NextAsync();
        Assert.IsType<Accepted>(await _service.SettleSecondAsync(batch, new Released()));
        var again = await feedback.NextAsync();
        Assert.Equal(batch.Text(), again.Text());
        Assert.Equal((byte)1, again.Annotation("iothub-deliverycount"));
        Assert.IsType<Accepted>(await _service.SettleSecondAsync(again, new Accepted()));
    }

    [Fact]
    [Conformance("service-amqp", 19)]
    public async Task A_batch_that_nobody_settles_comes_again_until_it_is_dropped()
    {
        var options = _hub.Get<CommandOptions>();
        options.FeedbackLockDuration = TimeSpan.FromMilliseconds(1);
        options.FeedbackMaxDeliveryCount = 2;
        await SendAndCompleteAsync("one");
        var feedback = await _service.ReceiverAsync(Feedback);
        feedback.Grant(10);
        Assert.Equal((byte)0, (await feedback.NextAsync()).Annotation("iothub-deliverycount"));
        Assert.Equal((byte)1, (await feedback.NextAsync()).Annotation("iothub-deliverycount"));
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        for (var i = 0; i < 400 && await CountFeedbackAsync() > 0; i++)
        {
            await timer.WaitForNextTickAsync();
        }

        Assert.Equal(0, await CountFeedbackAsync());
        Assert.Equal(0, feedback.Waiting);
    }

    [Fact]
    [Conformance("service-amqp", 21)]
    public async Task Feedback_is_what_the_sender_asked_for()
    {
        var sender = await _service.SenderAsync(Commands);
        foreach (var acknowledgement in new[] { "none", "positive", "negative" })
        {
            foreach (var end in new[] { "complete", "reject" })
            {
                var command = To("dev-1", acknowledgement);
                command.Properties.MessageId = $"{acknowledgement}-{end}";
                Assert.Null(await sender.SendAsync(command));
            }
        }

        await using var device = await AmqpDeviceClient.ConnectPolicyAsync(_hub, "device");
        var receiver = await device.ReceiverAsync("/devices/dev-1/messages/devicebound");
        receiver.Grant(10);
        for (var i = 0; i < 6; i++)
        {
            var command = await receiver.NextAsync();
            if (command.Properties.MessageId.EndsWith("complete", StringComparison.Ordinal))
            {
                receiver.Link.Accept(command);
            }
            else
            {
                receiver.Link.Reject(command);
            }
        }

#pragma warning disable VSTHRD002 // The harness asks with a plain function; no context is there to deadlock with.
        await Eventually.IsAsync(() => CountAsync("dev-1").GetAwaiter().GetResult() == 0);
#pragma warning restore VSTHRD002
        var feedback = await _service.ReceiverAsync(Feedback);
        feedback.Grant(1);
        var batch = (await feedback.NextAsync()).Text();
        Assert.Matches("positive-complete\"[^}]*Success", batch);
        Assert.Matches("negative-reject\"[^}]*Rejected", batch);
        Assert.Equal(2, batch.Split("originalMessageId").Length - 1);
    }

    [Fact]
    [Conformance("service-amqp", 22)]
    public async Task Two_receivers_share_the_feedback()
    {
        await using var other = await AmqpDeviceClient.ConnectPolicyAsync(_hub, "service");
        var first = await _service.ReceiverAsync(Feedback);
        var second = await other.ReceiverAsync(Feedback);
        first.Grant(5);
        second.Grant(5);
        await SendAndCompleteAsync("one");
        await Eventually.IsAsync(() => first.Waiting + second.Waiting > 0);
        Assert.Equal(1, first.Waiting + second.Waiting);
        var (receiver, batch) = first.Waiting > 0 ? (first, await first.NextAsync()) : (second, await second.NextAsync());
        receiver.Link.Accept(batch);
    }

    [Fact]
    [Conformance("service-amqp", 23)]
    public async Task An_expired_token_detaches_the_links()
    {
        await using var client = await AmqpDeviceClient.ConnectAsync(_hub);
        Assert.Equal(200, await client.PutTokenAsync(_hub.PolicyToken("service", life: TimeSpan.FromSeconds(2))));
        var sender = await client.SenderAsync(Commands);
        var feedback = await client.ReceiverAsync(Feedback);
        Assert.Equal("amqp:unauthorized-access", await sender.ClosedAsync());
        Assert.Equal("amqp:unauthorized-access", (await feedback.ClosedAsync()).Condition);
    }

    private static Message To(string device, string? acknowledgement = null)
    {
        var message = new Message
        {
            Properties = new Properties { To = $"/devices/{device}/messages/deviceBound" },
            BodySection = new Data { Binary = "body"u8.ToArray() },
        };
        if (acknowledgement is not null)
        {
            message.ApplicationProperties = new ApplicationProperties { ["iothub-ack"] = acknowledgement };
        }

        return message;
    }

    private async Task SendAndCompleteAsync(string messageId)
    {
        var command = To("dev-1", acknowledgement: "full");
        command.Properties.MessageId = messageId;
        Assert.Null(await (await _service.SenderAsync(Commands)).SendAsync(command));
        await CompleteAsync();
    }

    private async Task CompleteAsync()
    {
        await using var device = await AmqpDeviceClient.ConnectPolicyAsync(_hub, "device");
        var receiver = await device.ReceiverAsync(
            "/devices/dev-1/messages/devicebound", change: attach => attach.RcvSettleMode = ReceiverSettleMode.Second);
        receiver.Grant(1);
        Assert.IsType<Accepted>(await device.SettleSecondAsync(await receiver.NextAsync(), new Accepted()));
    }

    private async Task<int> CountAsync(string device) =>
        (await _hub.Get<CommandStore>().LoadAsync(new(Protocol.Identities.DeviceId.Parse(device))))!.Commands.Count;

    private async Task<int> CountFeedbackAsync() => (await _hub.Get<FeedbackStore>().ListAsync(
        0, long.MaxValue, 100, TimeProvider.System.GetUtcNow(), TestContext.Current.CancellationToken)).Count;
}
