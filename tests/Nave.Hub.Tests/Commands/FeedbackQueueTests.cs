using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Commands;
using Nave.Hub.Devices;
using Nave.Hub.Tests.Harness;
using Nave.Protocol.Errors;
using Nave.Tests;

namespace Nave.Hub.Tests.Commands;

public sealed class FeedbackQueueTests : IAsyncDisposable
{
    private readonly TestDatabase _data = new(RegistrySchema.Part, TestIdentities.Of("d"), CommandStore.Schema);
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 25, 10, 0, 0, TimeSpan.Zero));
    private readonly CommandOptions _options = new();
    private int _tokens;

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    [Fact]
    [Conformance("messaging-semantics", 12)]
    public async Task Records_travel_by_sixty_four_and_a_lone_one_waits_no_longer_than_fifteen_seconds()
    {
        var queue = CreateQueue();
        var reader = new Reader { Credit = 10 };
        queue.Join(reader);
        await AddAsync(65);

        await queue.PumpAsync(Stopping);
        Assert.Equal([64], reader.Batches.Select(b => b.Records.Count));

        _time.Advance(TimeSpan.FromSeconds(14));
        await queue.PumpAsync(Stopping);
        Assert.Single(reader.Batches);
        _time.Advance(TimeSpan.FromSeconds(1));
        await queue.PumpAsync(Stopping);
        Assert.Equal([64, 1], reader.Batches.Select(b => b.Records.Count));
    }

    [Fact]
    [Conformance("service-amqp", 22)]
    public async Task Two_readers_share_the_queue_and_none_gets_more_than_its_credit()
    {
        var queue = CreateQueue();
        var one = new Reader { Credit = 1 };
        var other = new Reader { Credit = 1 };
        queue.Join(one);
        queue.Join(other);
        await AddAsync(64 * 3);

        await queue.PumpAsync(Stopping);

        Assert.Single(one.Batches);
        Assert.Single(other.Batches);
        Assert.Empty(one.Batches[0].Records.Intersect(other.Batches[0].Records));
    }

    [Fact]
    [Conformance("service-amqp", 19)]
    public async Task An_unsettled_batch_comes_back_after_its_lock_and_is_dropped_after_ten_deliveries()
    {
        var queue = CreateQueue();
        await AddAsync(1);

        for (var i = 0; i < 10; i++)
        {
            var batch = await queue.ReceiveAsync(Stopping);
            Assert.Equal(i, batch!.DeliveryCount);
            Assert.Null(await queue.ReceiveAsync(Stopping));
            _time.Advance(_options.FeedbackLockDuration);
        }

        Assert.Null(await queue.ReceiveAsync(Stopping));
        Assert.Empty(await new FeedbackStore(_data.Database).ListAsync(0, long.MaxValue, 10, _time.GetUtcNow(), Stopping));
    }

    [Fact]
    public async Task A_completed_batch_is_gone_and_its_token_settles_nothing_more()
    {
        var queue = CreateQueue();
        await AddAsync(2);
        var batch = await queue.ReceiveAsync(Stopping);

        Assert.Null(await queue.SettleAsync(batch!.LockToken, Settlement.Complete, Stopping));

        Assert.Equal(HubErrorCode.DeviceMessageLockLost, (await queue.SettleAsync(batch.LockToken, Settlement.Complete, Stopping))?.Code);
        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.Null(await queue.ReceiveAsync(Stopping));
    }

    [Fact]
    public async Task An_abandoned_batch_comes_back_at_once()
    {
        var queue = CreateQueue();
        await AddAsync(2);
        var batch = await queue.ReceiveAsync(Stopping);

        await queue.SettleAsync(batch!.LockToken, Settlement.Abandon, Stopping);

        Assert.Equal(batch.Records, (await queue.ReceiveAsync(Stopping))!.Records);
    }

    [Fact]
    public async Task Feedback_that_nobody_reads_ends_after_an_hour()
    {
        var queue = CreateQueue();
        await AddAsync(1);

        _time.Advance(_options.FeedbackTimeToLive);

        Assert.Null(await queue.ReceiveAsync(Stopping));
    }

    [Fact]
    [Conformance("messaging-semantics", 31)]
    public async Task Records_that_went_with_their_device_are_not_in_a_batch_that_comes_back()
    {
        var queue = CreateQueue();
        await AddAsync(1);
        var batch = await queue.ReceiveAsync(Stopping);
        await _data.Database.WriteAsync(session => session.Execute("DELETE FROM identities WHERE device_id = 'd'"), Stopping);

        await queue.SettleAsync(batch!.LockToken, Settlement.Abandon, Stopping);

        Assert.Null(await queue.ReceiveAsync(Stopping));
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _data.DisposeAsync();

    private FeedbackQueue CreateQueue() =>
        new(new FeedbackStore(_data.Database), _options, _time, () => new Guid(++_tokens, 0, 0, new byte[8]));

    private Task AddAsync(int count) => _data.Database.WriteAsync(
        session =>
        {
            for (var i = 0; i < count; i++)
            {
                session.Execute(
                    "INSERT INTO feedback (device_id, module_id, generation_id, message_id, outcome, at, expires_at) VALUES ('d', '', '1', 'm', 0, @now, @expires)",
                    ("@now", _time.GetUtcNow().ToUnixTimeMilliseconds()),
                    ("@expires", (_time.GetUtcNow() + _options.FeedbackTimeToLive).ToUnixTimeMilliseconds()));
            }
        },
        Stopping);

    private sealed class Reader : IFeedbackReceiver
    {
        public int Credit { get; set; }

        public List<FeedbackBatch> Batches { get; } = [];

        public bool WillTake => Credit > 0;

        public void Deliver(FeedbackBatch batch)
        {
            Credit--;
            Batches.Add(batch);
        }
    }
}
