using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Commands;
using Nave.Hub.Devices;
using Nave.Hub.Tests.Harness;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;
using Nave.Protocol.Messages;
using Nave.Tests;

namespace Nave.Hub.Tests.Commands;

/// <summary>An actor's commands over a real database and a clock of the test's own.</summary>
public sealed class CommandBoxTests : IAsyncDisposable
{
    private static readonly IdentityId Pump = new(DeviceId.Parse("pump-7"));
    private static readonly SessionName Session = new(Guid.Parse("00000000-0000-0000-0000-000000000001"), 1, 1);
    private static readonly SessionName NextSession = new(Guid.Parse("00000000-0000-0000-0000-000000000001"), 2, 2);
    private static readonly TimeSpan Minute = TimeSpan.FromSeconds(60);

    private readonly TestDatabase _data = new(RegistrySchema.Part, TestIdentities.Of("pump-7"), CommandStore.Schema);

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 25, 10, 0, 0, TimeSpan.Zero));
    private readonly CommandOptions _options = new();
    private readonly Outbox _outbox = new();
    private int _tokens;

    [Fact]
    [Conformance("messaging-semantics", 1)]
    public async Task Fifty_wait_for_an_absent_device_and_the_next_is_refused_until_one_is_completed()
    {
        var box = CreateBox();
        for (var i = 0; i < 50; i++)
        {
            Assert.Null(await box.EnqueueAsync(Command($"m{i}")));
        }

        Assert.Equal(HubErrorCode.DeviceMaximumQueueDepthExceeded, (await box.EnqueueAsync(Command("m50")))?.Code);

        var first = await box.ReceiveAsync(Minute);
        Assert.Null(await box.SettleAsync(first!.LockToken, Settlement.Complete));
        Assert.Null(await box.EnqueueAsync(Command("m50")));
    }

    [Fact]
    [Conformance("messaging-semantics", 2, 4, 11)]
    public async Task A_message_whose_lock_ran_out_comes_back_uncounted_with_another_token()
    {
        var box = CreateBox();
        await box.EnqueueAsync(Command("m"));
        CommandDelivery? last = null;
        for (var i = 0; i < 12; i++)
        {
            var delivery = await box.ReceiveAsync(Minute);
            Assert.NotEqual(last?.LockToken, delivery!.LockToken);
            Assert.Equal(1, delivery.SequenceNumber);
            Assert.Equal(0, delivery.DeliveryCount);
            Assert.Null(await box.ReceiveAsync(Minute));
            last = delivery;
            _time.Advance(Minute);
        }

        Assert.Equal(HubErrorCode.DeviceMessageLockLost, (await box.SettleAsync(last!.LockToken, Settlement.Complete))?.Code);
    }

    [Fact]
    public async Task By_the_rule_of_2016_lost_locks_count()
    {
        _options.CountLockTimeouts = true;
        _options.MaxDeliveryCount = 3;
        var box = CreateBox();
        await box.EnqueueAsync(Command("m", AcknowledgementRequest.Negative));

        for (var i = 0; i < 3; i++)
        {
            Assert.NotNull(await box.ReceiveAsync(Minute));
            _time.Advance(Minute);
        }

        Assert.Null(await box.ReceiveAsync(Minute));
        Assert.Equal(["m DeliveryCountExceeded"], await FeedbackAsync());
    }

    [Fact]
    [Conformance("messaging-semantics", 3)]
    public async Task The_third_abandon_of_three_dead_letters()
    {
        _options.MaxDeliveryCount = 3;
        var box = CreateBox();
        await box.EnqueueAsync(Command("m", AcknowledgementRequest.Full));

        for (var i = 0; i < 3; i++)
        {
            var delivery = await box.ReceiveAsync(Minute);
            Assert.Equal(i, delivery!.DeliveryCount);
            Assert.Null(await box.SettleAsync(delivery.LockToken, Settlement.Abandon));
        }

        Assert.Null(await box.ReceiveAsync(Minute));
        Assert.Equal(["m DeliveryCountExceeded"], await FeedbackAsync());
    }

    [Theory]
    [Conformance("messaging-semantics", 6, 7)]
    [InlineData(nameof(AcknowledgementRequest.None), nameof(Settlement.Complete), null)]
    [InlineData(nameof(AcknowledgementRequest.Positive), nameof(Settlement.Complete), "m Success")]
    [InlineData(nameof(AcknowledgementRequest.Negative), nameof(Settlement.Complete), null)]
    [InlineData(nameof(AcknowledgementRequest.Full), nameof(Settlement.Complete), "m Success")]
    [InlineData(nameof(AcknowledgementRequest.None), nameof(Settlement.Reject), null)]
    [InlineData(nameof(AcknowledgementRequest.Positive), nameof(Settlement.Reject), null)]
    [InlineData(nameof(AcknowledgementRequest.Negative), nameof(Settlement.Reject), "m Rejected")]
    [InlineData(nameof(AcknowledgementRequest.Full), nameof(Settlement.Reject), "m Rejected")]
    public async Task Feedback_tells_what_was_asked_for(string asked, string settlement, string? expected)
    {
        var box = CreateBox();
        await box.EnqueueAsync(Command("m", Enum.Parse<AcknowledgementRequest>(asked)));
        var delivery = await box.ReceiveAsync(Minute);

        await box.SettleAsync(delivery!.LockToken, Enum.Parse<Settlement>(settlement));

        Assert.Equal(expected is null ? [] : [expected], await FeedbackAsync());
    }

    [Fact]
    [Conformance("messaging-semantics", 5)]
    public async Task A_message_that_nobody_took_expires_with_feedback()
    {
        var box = CreateBox();
        await box.EnqueueAsync(Command("m", AcknowledgementRequest.Negative, _time.GetUtcNow().AddSeconds(2)));
        await box.EnqueueAsync(Command("quiet", AcknowledgementRequest.Positive, _time.GetUtcNow().AddSeconds(2)));

        _time.Advance(TimeSpan.FromSeconds(3));
        await box.SweepAsync();

        Assert.Null(await box.ReceiveAsync(Minute));
        Assert.Equal(["m Expired"], await FeedbackAsync());
    }

    [Fact]
    [Conformance("messaging-semantics", 8)]
    [Conformance("service-rest", 31)]
    public async Task A_purge_empties_the_queue_and_tells_who_asked()
    {
        var box = CreateBox();
        await box.EnqueueAsync(Command("a", AcknowledgementRequest.Full));
        await box.EnqueueAsync(Command("b", AcknowledgementRequest.None));
        await box.EnqueueAsync(Command("c", AcknowledgementRequest.Negative));

        Assert.Equal(3, await box.PurgeAsync());

        Assert.Null(await box.ReceiveAsync(Minute));
        Assert.Equal(["a Purged", "c Purged"], await FeedbackAsync());
    }

    [Fact]
    [Conformance("messaging-semantics", 9)]
    public async Task An_abandoned_message_goes_out_before_newer_ones_not_yet_sent()
    {
        var box = CreateBox();
        await box.EnqueueAsync(Command("a"));
        await box.EnqueueAsync(Command("b"));
        await box.EnqueueAsync(Command("c"));
        var first = await box.ReceiveAsync(Minute);
        await box.ReceiveAsync(Minute);

        await box.SettleAsync(first!.LockToken, Settlement.Abandon);

        Assert.Equal("a", (await box.ReceiveAsync(Minute))!.Message.Properties.MessageId);
        Assert.Equal("c", (await box.ReceiveAsync(Minute))!.Message.Properties.MessageId);
    }

    [Fact]
    [Conformance("messaging-semantics", 10)]
    public async Task Messages_counts_and_feedback_survive_a_restart_and_locks_do_not()
    {
        var box = CreateBox();
        await box.EnqueueAsync(Command("a", AcknowledgementRequest.Full));
        await box.EnqueueAsync(Command("b"));
        await box.EnqueueAsync(Command("c"));
        await box.SettleAsync((await box.ReceiveAsync(Minute))!.LockToken, Settlement.Complete);
        await box.SettleAsync((await box.ReceiveAsync(Minute))!.LockToken, Settlement.Abandon);
        var locked = await box.ReceiveAsync(Minute);

        await _data.ReopenAsync();
        var reopened = CreateBox();

        Assert.Equal(HubErrorCode.DeviceMessageLockLost, (await reopened.SettleAsync(locked!.LockToken, Settlement.Complete))?.Code);
        var again = await reopened.ReceiveAsync(Minute);
        Assert.Equal(("b", 1), (again!.Message.Properties.MessageId, again.DeliveryCount));
        Assert.Equal("c", (await reopened.ReceiveAsync(Minute))!.Message.Properties.MessageId);
        Assert.Equal(["a Success"], await FeedbackAsync());
    }

    [Fact]
    public async Task A_session_gets_no_more_than_its_grant_and_the_rest_when_it_grows()
    {
        var box = CreateBox();
        for (var i = 0; i < 5; i++)
        {
            await box.EnqueueAsync(Command($"m{i}"));
        }

        await box.GrantAsync(Session, new CommandGrant(2, null));
        Assert.Equal(["m0", "m1"], _outbox.Ids);

        await box.GrantAsync(Session, new CommandGrant(4, null));
        Assert.Equal(["m0", "m1", "m2", "m3"], _outbox.Ids);

        await box.EnqueueAsync(Command("m5"));
        Assert.Equal(4, _outbox.Deliveries.Count);
    }

    [Fact]
    [Conformance("device-http", 20)]
    public async Task What_one_session_has_locked_no_other_receiver_sees()
    {
        var box = CreateBox();
        await box.EnqueueAsync(Command("m"));
        await box.GrantAsync(Session, new CommandGrant(10, null));

        Assert.Null(await box.ReceiveAsync(Minute));
        Assert.Single(_outbox.Deliveries);
    }

    [Fact]
    public async Task The_next_session_gets_what_the_lost_one_had_not_settled_marked_as_a_redelivery()
    {
        var box = CreateBox();
        await box.EnqueueAsync(Command("m"));
        await box.GrantAsync(Session, new CommandGrant(10, null));

        box.SessionEnded(Session);
        await box.GrantAsync(NextSession, new CommandGrant(10, null));

        var again = _outbox.Deliveries[^1];
        Assert.Equal((NextSession, true, 0), (again.Session, again.Delivery.IsRedelivery, again.Delivery.DeliveryCount));
        Assert.Equal(HubErrorCode.DeviceMessageLockLost, (await box.SettleAsync(_outbox.Deliveries[0].Delivery.LockToken, Settlement.Complete))?.Code);
    }

    [Fact]
    public async Task An_actor_that_was_behind_reloads_and_still_queues()
    {
        var box = CreateBox();
        var other = CreateBox();
        await box.EnqueueAsync(Command("a"));
        await other.EnqueueAsync(Command("b"));

        Assert.Null(await box.EnqueueAsync(Command("c")));

        var fresh = CreateBox();
        Assert.Equal("a", (await fresh.ReceiveAsync(Minute))!.Message.Properties.MessageId);
        Assert.Equal("b", (await fresh.ReceiveAsync(Minute))!.Message.Properties.MessageId);
        Assert.Equal("c", (await fresh.ReceiveAsync(Minute))!.Message.Properties.MessageId);
    }

    [Fact]
    public async Task Nothing_is_queued_for_an_identity_that_is_gone_or_was_made_anew()
    {
        var box = CreateBox();
        await box.EnqueueAsync(Command("a"));
        await _data.Database.WriteAsync(
            session => session.Execute("UPDATE identities SET generation_id = '2'"), TestContext.Current.CancellationToken);

        Assert.Null(await box.EnqueueAsync(Command("b")));

        var fresh = CreateBox();
        Assert.Equal("b", (await fresh.ReceiveAsync(Minute))!.Message.Properties.MessageId);
        Assert.Null(await fresh.ReceiveAsync(Minute));
    }

    [Fact]
    public async Task Every_property_comes_back_as_it_was_sent()
    {
        var sent = new CloudToDeviceMessage(
            new MessageProperties
            {
                MessageId = "mid",
                CorrelationId = "cid",
                UserId = "ü",
                To = "/devices/pump-7/messages/deviceBound",
                ContentType = "application/json",
                ContentEncoding = "utf-8",
                CreationTime = "2026-11-25T10:00:00Z",
                Schema = "s",
                Application = [new("b", "2"), new("a", null), new("c", "")],
            },
            new byte[] { 0, 255, 1 },
            AcknowledgementRequest.Full);
        await CreateBox().EnqueueAsync(sent);

        var received = (await CreateBox().ReceiveAsync(Minute))!.Message;

        Assert.Equivalent(sent.Properties, received.Properties, strict: true);
        Assert.Equal(sent.Body.ToArray(), received.Body.ToArray());
        Assert.Equal(AcknowledgementRequest.Full, received.Acknowledgement);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _data.DisposeAsync();

    private CommandBox CreateBox() => new(
        Pump, new CommandStore(_data.Database), _options, _outbox, new CommandClock(), _time, () => new Guid(++_tokens, 0, 0, new byte[8]));

    private async Task<List<string>> FeedbackAsync() =>
        [.. (await new FeedbackStore(_data.Database).ListAsync(0, long.MaxValue, 100, _time.GetUtcNow(), TestContext.Current.CancellationToken))
            .Select(record => $"{record.OriginalMessageId} {record.Outcome}")];

    private static CloudToDeviceMessage Command(
        string id, AcknowledgementRequest ack = AcknowledgementRequest.None, DateTimeOffset? expiry = null) =>
        new(new MessageProperties { MessageId = id, ExpiryTime = expiry }, "body"u8.ToArray(), ack);

    private sealed class Outbox : ICommandRoute
    {
        public List<(SessionName Session, CommandDelivery Delivery)> Deliveries { get; } = [];

        public IEnumerable<string?> Ids => Deliveries.Select(d => d.Delivery.Message.Properties.MessageId);

        public void Deliver(SessionName session, CommandDelivery delivery) => Deliveries.Add((session, delivery));
    }
}
