using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Commands;
using Nave.Hub.Devices;

namespace Nave.Hub.Tests.Commands;

public sealed class CommandQueueTests
{
    private static readonly SessionName Session = new(Guid.Parse("00000000-0000-0000-0000-000000000001"), 1, 1);

    private readonly FakeTimeProvider _time = new();
    private readonly CommandOptions _options = new();
    private int _tokens;

    [Fact]
    public void Messages_go_out_oldest_first_and_a_locked_one_is_passed_over()
    {
        var queue = Filled(3);

        queue.Lock(queue.NextDeliverable()!, Session, TimeSpan.FromMinutes(1));

        Assert.Equal(2, queue.NextDeliverable()!.SequenceNumber);
    }

    [Fact]
    public void An_abandoned_message_goes_out_again_before_newer_ones()
    {
        var queue = Filled(3);
        var first = queue.NextDeliverable()!;
        queue.Lock(first, Session, TimeSpan.FromMinutes(1));
        queue.Lock(queue.NextDeliverable()!, Session, TimeSpan.FromMinutes(1));

        CommandQueue.Release(first, counts: true);

        Assert.Equal(1, queue.NextDeliverable()!.SequenceNumber);
        Assert.Equal(1, first.DeliveryCount);
    }

    [Fact]
    public void A_lock_runs_out_after_its_time_and_the_next_one_has_another_token()
    {
        var queue = Filled(1);
        var entry = queue.NextDeliverable()!;
        var token = queue.Lock(entry, Session, _options.LockDuration);

        _time.Advance(_options.LockDuration - TimeSpan.FromSeconds(1));
        Assert.True(queue.TryFindLocked(token, out _));
        Assert.Null(queue.NextDeliverable());
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.False(queue.TryFindLocked(token, out _));
        Assert.Equal([entry], queue.FindLostLocks());
        Assert.Same(entry, queue.NextDeliverable());
        Assert.NotEqual(token, queue.Lock(entry, Session, _options.LockDuration));
    }

    [Fact]
    public void A_lock_without_a_duration_lasts_as_long_as_its_session()
    {
        var queue = Filled(1);
        var token = queue.Lock(queue.NextDeliverable()!, Session, duration: null);

        _time.Advance(TimeSpan.FromMinutes(50));

        Assert.True(queue.TryFindLocked(token, out var entry));
        Assert.Null(queue.NextLockDeadline());
        Assert.Equal([entry], queue.FindLocksOf(Session));
    }

    [Fact]
    public void Fifty_messages_fill_the_queue_locked_ones_included()
    {
        var queue = Filled(50);

        queue.Lock(queue.NextDeliverable()!, Session, TimeSpan.FromMinutes(1));

        Assert.True(queue.IsFull);
        queue.Remove(queue.Entries[0]);
        Assert.False(queue.IsFull);
    }

    [Fact]
    public void An_expired_message_never_goes_out_but_a_locked_one_may_still_be_completed()
    {
        var queue = Filled(2);
        var token = queue.Lock(queue.NextDeliverable()!, Session, TimeSpan.FromMinutes(90));

        _time.Advance(_options.DefaultTimeToLive);

        Assert.Null(queue.NextDeliverable());
        Assert.Equal([2L], queue.FindExpired().Select(e => e.SequenceNumber));
        Assert.True(queue.TryFindLocked(token, out _));
    }

    [Fact]
    public void A_tenth_return_is_the_last()
    {
        var queue = Filled(1);
        var entry = queue.Entries[0];

        for (var i = 0; i < 9; i++)
        {
            Assert.False(queue.IsLastDelivery(entry));
            CommandQueue.Release(entry, counts: true);
        }

        Assert.True(queue.IsLastDelivery(entry));
    }

    [Theory]
    [InlineData(null, 60)]
    [InlineData(5, 5)]
    [InlineData(-5, -5)]
    [InlineData(72 * 60, 48 * 60)]
    public void Expiry_is_what_was_asked_for_within_two_days_and_one_hour_otherwise(int? askedMinutes, int expectedMinutes)
    {
        var queue = Filled(0);
        var now = _time.GetUtcNow();

        var expiry = queue.ExpiryFor(askedMinutes is { } minutes ? now.AddMinutes(minutes) : null);

        Assert.Equal(now.AddMinutes(expectedMinutes), expiry);
    }

    [Fact]
    public void Sequence_numbers_are_not_used_again_after_a_message_has_gone()
    {
        var queue = Filled(2);

        queue.Clear();

        Assert.Equal(3, queue.NextSequenceNumber);
    }

    private CommandQueue Filled(int count)
    {
        var queue = new CommandQueue(_options, _time, () => new Guid(++_tokens, 0, 0, new byte[8]));
        for (var i = 1; i <= count; i++)
        {
            queue.Add(new QueuedCommand(i, _time.GetUtcNow(), queue.ExpiryFor(null), deliveryCount: 0));
        }

        return queue;
    }
}
