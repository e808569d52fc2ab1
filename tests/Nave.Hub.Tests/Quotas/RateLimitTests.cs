using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Quotas;
using Nave.Protocol.Errors;

namespace Nave.Hub.Tests.Quotas;

/// <summary>Bursts, shaping and refusals of one limit (spec/messaging-semantics.md 3.2).</summary>
public sealed class RateLimitTests
{
    private static readonly TimeSpan TenSeconds = TimeSpan.FromSeconds(10);
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void A_periods_worth_passes_at_once_then_each_waits_for_its_turn()
    {
        var limit = Limit(Rate.EachSecond(10));

        Assert.All(Enumerable.Range(0, 10), _ => Assert.Equal(default, limit.Take(1, TenSeconds)));

        Assert.Equal([0.1, 0.2, 0.3], Enumerable.Range(0, 3).Select(_ => Math.Round(limit.Take(1, TenSeconds).Wait.TotalSeconds, 6)));
        Assert.Equal((10L, 3L, 0L, 3.0), (limit.Read().Passed, limit.Read().Delayed, limit.Read().Refused, limit.Read().Waiting));
    }

    [Fact]
    public void What_comes_back_is_the_rate_and_never_more_than_a_burst()
    {
        var limit = Limit(Rate.EachSecond(10));
        TakeAll(limit, 10);

        _time.Advance(TimeSpan.FromSeconds(0.5));
        TakeAll(limit, 5);
        Assert.Equal(0.1, limit.Take(1, TenSeconds).Wait.TotalSeconds, 6);

        _time.Advance(TimeSpan.FromHours(1));
        TakeAll(limit, 10);
        Assert.Equal(0.1, limit.Take(1, TenSeconds).Wait.TotalSeconds, 6);
    }

    [Fact]
    public void A_full_backlog_refuses_and_says_when_to_come_again()
    {
        var limit = Limit(Rate.EachSecond(2), TimeSpan.FromSeconds(3));
        TakeAll(limit, 2);

        Assert.All(Enumerable.Range(0, 6), _ => Assert.Null(limit.Take(1, TenSeconds).Failure));

        var refused = limit.Take(1, TenSeconds);
        Assert.Equal(HubErrorCode.ThrottlingException, refused.Failure?.Code);
        Assert.Equal(3.5, refused.Wait.TotalSeconds, 6);

        // A refusal takes nothing: half a second later there is room for one.
        _time.Advance(TimeSpan.FromSeconds(0.5));
        Assert.Null(limit.Take(1, TenSeconds).Failure);
        Assert.Equal(HubErrorCode.ThrottlingException, limit.Take(1, TenSeconds).Failure?.Code);
    }

    [Fact]
    public void Who_has_no_patience_left_is_told_that_it_would_take_too_long()
    {
        var limit = Limit(Rate.EachSecond(1));
        TakeAll(limit, 1);

        Assert.Equal(HubErrorCode.ThrottlingBacklogTimeout, limit.Take(1, TimeSpan.FromSeconds(0.9)).Failure?.Code);
        Assert.Null(limit.Take(1, TimeSpan.FromSeconds(1.1)).Failure);
    }

    [Fact]
    public void A_backlog_that_is_set_longer_than_may_be_waited_ends_in_too_long()
    {
        var limit = new RateLimit(Rate.EachSecond(1), TimeSpan.FromSeconds(2), backlog: 5, _time);
        TakeAll(limit, 1);

        Assert.Null(limit.Take(1, TimeSpan.FromSeconds(2)).Failure);
        Assert.Null(limit.Take(1, TimeSpan.FromSeconds(2)).Failure);
        Assert.Equal(HubErrorCode.ThrottlingBacklogTimeout, limit.Take(1, TimeSpan.FromSeconds(2)).Failure?.Code);
    }

    [Fact]
    public void Without_delay_what_is_over_the_burst_is_refused()
    {
        var limit = Limit(Rate.EachMinute(3), TimeSpan.Zero);
        TakeAll(limit, 3);

        Assert.Equal(HubErrorCode.ThrottlingException, limit.Take(1, TimeSpan.Zero).Failure?.Code);

        _time.Advance(TimeSpan.FromSeconds(20));
        TakeAll(limit, 1);
        Assert.Equal(HubErrorCode.ThrottlingException, limit.Take(1, TimeSpan.Zero).Failure?.Code);
    }

    [Fact]
    public void What_costs_more_than_the_burst_passes_a_full_bucket_and_leaves_debt()
    {
        var limit = Limit(Rate.EachSecond(10));

        Assert.Equal(default, limit.Take(25, TenSeconds));

        Assert.Equal(1.6, limit.Take(1, TenSeconds).Wait.TotalSeconds, 6);
    }

    [Fact]
    public void Work_that_has_all_day_gets_a_turn_behind_any_backlog()
    {
        var limit = Limit(Rate.EachSecond(1), TimeSpan.FromSeconds(2));
        TakeAll(limit, 1);

        Assert.Equal([1.0, 2.0, 3.0, 4.0], Enumerable.Range(0, 4).Select(_ => Math.Round(limit.TakeAnyway(1).TotalSeconds, 6)));
    }

    [Fact]
    public void Over_any_time_no_more_passes_than_burst_and_rate_allow()
    {
        var random = new Random(20261126);
        for (var round = 0; round < 50; round++)
        {
            var rate = Rate.EachSecond(random.Next(1, 200));
            var time = new FakeTimeProvider();
            var limit = new RateLimit(rate, TimeSpan.FromSeconds(random.Next(0, 5)), null, time);
            var elapsed = TimeSpan.Zero;
            var cost = 0.0;
            var latest = TimeSpan.Zero;
            for (var i = 0; i < 500; i++)
            {
                var step = TimeSpan.FromMilliseconds(random.Next(0, 40));
                time.Advance(step);
                elapsed += step;
                if (limit.Take(1, TimeSpan.FromSeconds(5)) is { Failure: null, Wait: var wait })
                {
                    cost++;
                    latest = elapsed + wait > latest ? elapsed + wait : latest;
                }
            }

            // The last turn is no sooner than the rate gives for all before it; 5 ms of debt are let pass.
            Assert.True(cost <= rate.Amount + ((latest.TotalSeconds + 0.005) * rate.PerSecond) + 1, $"{rate}: {cost} by {latest}");
        }
    }

    [Theory]
    [InlineData("100/s", 100, 1)]
    [InlineData("20/min", 20, 60)]
    [InlineData(" 1 / min ", 1, 60)]
    public void A_rate_is_so_many_a_second_or_a_minute(string text, double amount, double seconds) =>
        Assert.Equal(new Rate(amount, TimeSpan.FromSeconds(seconds)), Rate.Parse(text));

    [Theory]
    [InlineData("100")]
    [InlineData("0/s")]
    [InlineData("-1/s")]
    [InlineData("1/h")]
    [InlineData("1.5/s")]
    [InlineData("/s")]
    [InlineData("1/s/s")]
    [InlineData("99999999999/s")]
    public void Anything_else_is_no_rate(string text) => Assert.Contains("write 100/s", Assert.Throws<FormatException>(() => Rate.Parse(text)).Message, StringComparison.Ordinal);

    private static void TakeAll(RateLimit limit, int count) => Assert.All(Enumerable.Range(0, count), _ => Assert.Equal(default, limit.Take(1, TenSeconds)));

    private RateLimit Limit(Rate rate, TimeSpan? maxDelay = null) => new(rate, maxDelay ?? TenSeconds, backlog: null, _time);
}
