using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Quotas;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;
using Nave.Tests;

namespace Nave.Hub.Tests.Quotas;

/// <summary>What passes, what waits, what is refused and what is told of it.</summary>
public sealed class HubMeterTests
{
    private static readonly IdentityId Device = new(DeviceId.Parse("dev"));
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 26, 12, 0, 0, TimeSpan.Zero));

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    [Theory]
    [Conformance("messaging-semantics", 17)]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(4096, 1)]
    [InlineData(4097, 2)]
    [InlineData(6 * 1024, 2)]
    [InlineData(256 * 1024, 64)]
    public void A_message_costs_a_unit_for_each_block_that_is_begun(long bytes, long units) =>
        Assert.Equal(units, Meter(QuotaTier.S1).UnitsOf(bytes));

    [Fact]
    [Conformance("messaging-semantics", 18)]
    public async Task Registry_calls_beyond_a_hundred_a_minute_are_refused_after_the_burst_and_the_backlog()
    {
        var meter = Meter(QuotaTier.S1);

        var waiting = Enumerable.Range(0, 130).Select(_ => meter.PassAsync(Metered.RegistryOperations, null, Stopping).AsTask()).ToList();

        // 100 at once, 16 within ten seconds, the rest not at all.
        var told = await Task.WhenAll(waiting.Where(call => call.IsCompleted));
        Assert.Equal((100, 16, 14), (told.Count(failure => failure is null), waiting.Count - told.Length, told.Count(failure => failure is not null)));
        var refused = (await waiting[^1])!;
        Assert.Equal((HubErrorCode.ThrottlingException, 429), (refused.Code, refused.HttpStatus));
        Assert.Equal("Too many requests. The limit of identity registry operations is 100/min.", refused.Message);
        Assert.Equal("over the limit of identity registry operations: 100/min (S1 x 1, Quota:RegistryOperations)", refused.Detail);
        Assert.InRange(refused.RetryAfter!.Value.TotalSeconds, 10, 11);

        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.All(await Task.WhenAll(waiting.Take(116)), Assert.Null);
    }

    [Fact]
    [Conformance("messaging-semantics", 16)]
    public void A_used_up_day_refuses_what_costs_units_and_nothing_else()
    {
        var meter = Meter(QuotaTier.S1, daily: 1);
        meter.Charge(Metered.TelemetrySends, 100);

        var refused = MeteredWords.All.Where(operation => meter.Take(operation, Device).Failure is not null).ToList();

        Assert.Equal(
            [Metered.TelemetrySends, Metered.CommandSends, Metered.TwinReads, Metered.TwinUpdates, Metered.Methods, Metered.Queries, Metered.JobDeviceOperations],
            refused);
        var failure = meter.Take(Metered.TelemetrySends, Device).Failure!;
        Assert.Equal((HubErrorCode.IotHubQuotaExceeded, 403, "amqp:resource-limit-exceeded"), (failure.Code, failure.HttpStatus, failure.AmqpCondition));
        Assert.Equal(refused.Count + 1, meter.ExhaustedRefusals);

        _time.Advance(TimeSpan.FromHours(12));
        Assert.Null(meter.Take(Metered.TelemetrySends, Device).Failure);
    }

    [Fact]
    public void Who_was_refused_and_by_which_limit_is_told()
    {
        var meter = Meter(QuotaTier.None, options => options.Set(Metered.Queries, "1/min"), TimeSpan.Zero);
        var told = new List<(Metered, IdentityId?, HubFailure)>();
        meter.Refused += (operation, id, failure) => told.Add((operation, id, failure));

        meter.Take(Metered.Queries, null);
        meter.Take(Metered.Queries, Device);

        var (what, who, why) = Assert.Single(told);
        Assert.Equal((Metered.Queries, Device), (what, who));
        Assert.Equal("over the limit of queries: 1/min (no tier, Quota:Queries)", why.Detail);
    }

    [Fact]
    public void Who_connects_never_waits()
    {
        var meter = Meter(QuotaTier.S1);

        Assert.All(Enumerable.Range(0, 100), _ => Assert.Equal(default, meter.Take(Metered.Connects, Device)));
        Assert.Equal(HubErrorCode.ThrottlingException, meter.Take(Metered.Connects, Device).Failure?.Code);
    }

    [Fact]
    public void What_has_waited_elsewhere_waits_so_much_less_here()
    {
        var meter = Meter(QuotaTier.None, options => options.Set(Metered.TwinReads, "1/s"));
        meter.Take(Metered.TwinReads, Device);

        Assert.Equal(HubErrorCode.ThrottlingBacklogTimeout, meter.Take(Metered.TwinReads, Device, waited: TimeSpan.FromSeconds(9.5)).Failure?.Code);
        Assert.Null(meter.Take(Metered.TwinReads, Device, waited: TimeSpan.FromSeconds(8)).Failure);
    }

    [Fact]
    public async Task Who_waits_no_longer_leaves_its_turn_to_others()
    {
        var meter = Meter(QuotaTier.None, options => options.Set(Metered.TelemetrySends, "1/s"));
        meter.Take(Metered.TelemetrySends, Device);
        for (var i = 0; i < 100; i++)
        {
            using var gone = CancellationTokenSource.CreateLinkedTokenSource(Stopping);
            var waiting = meter.PassAsync(Metered.TelemetrySends, Device, gone.Token).AsTask();
            await gone.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        }

        Assert.Equal(0, meter.LimitOf(Metered.TelemetrySends)!.Read().Refused);
        Assert.Equal(1, meter.Take(Metered.TelemetrySends, Device).Wait.TotalSeconds, 6);
    }

    [Fact]
    public async Task Who_does_its_work_all_the_same_keeps_its_turn()
    {
        var meter = Meter(QuotaTier.None, options => options.Set(Metered.TwinReads, "1/s"));
        meter.Take(Metered.TwinReads, Device);
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(Stopping);
        var waiting = meter.PassAsync(Metered.TwinReads, Device, gone.Token, keepsTurn: true).AsTask();
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);

        Assert.Equal(2, meter.Take(Metered.TwinReads, Device).Wait.TotalSeconds, 6);
    }

    [Fact]
    public async Task One_devices_requests_have_a_share_of_the_waiting_places()
    {
        var meter = Meter(QuotaTier.None, options => options.Set(Metered.TelemetrySends, "32/s"), TimeSpan.FromSeconds(1));
        var other = new IdentityId(DeviceId.Parse("other"));
        Assert.All(Enumerable.Range(0, 32), _ => Assert.Equal(default, meter.Take(Metered.TelemetrySends, Device)));

        var waiting = Enumerable.Range(0, 30).Select(_ => meter.PassAsync(Metered.TelemetrySends, Device, Stopping).AsTask()).ToList();
        var others = meter.PassAsync(Metered.TelemetrySends, other, Stopping).AsTask();

        Assert.All(waiting.Take(2).Append(others), turn => Assert.False(turn.IsCompleted));
        Assert.All(await Task.WhenAll(waiting.Skip(2)), refused => Assert.Equal(HubErrorCode.ThrottlingException, refused?.Code));
        var state = meter.LimitOf(Metered.TelemetrySends)!.Read();
        Assert.Equal((32L, 3L, 28L, 3.0), (state.Passed, state.Delayed, state.Refused, state.Waiting));

        _time.Advance(TimeSpan.FromSeconds(0.125));
        Assert.All(await Task.WhenAll(waiting.Take(2).Append(others)), Assert.Null);
        Assert.Equal(default, meter.Take(Metered.TelemetrySends, Device));
        var again = meter.PassAsync(Metered.TelemetrySends, Device, Stopping).AsTask();
        Assert.False(again.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(await again);
    }

    [Fact]
    public async Task Without_limits_everything_passes_and_nothing_is_counted()
    {
        var meter = Meter(QuotaTier.None);

        Assert.False(meter.IsOn);
        Assert.Null(meter.Daily);
        foreach (var operation in MeteredWords.All)
        {
            for (var i = 0; i < 1000; i++)
            {
                Assert.Null(await meter.PassAsync(operation, Device, Stopping));
            }

            meter.Charge(operation, 1_000_000);
        }
    }

    [Fact]
    public async Task A_jobs_devices_wait_as_long_as_it_takes_and_end_with_the_day()
    {
        var meter = Meter(QuotaTier.None, options => options.Set(Metered.JobDeviceOperations, "1/s"), daily: 1);
        var turns = Enumerable.Range(0, 30).Select(_ => meter.PassPatientlyAsync(Metered.JobDeviceOperations, Device, Stopping).AsTask()).ToList();

        for (var second = 1; second < 30; second++)
        {
            Assert.Equal(second, turns.Count(turn => turn.IsCompleted));
            _time.Advance(TimeSpan.FromSeconds(1));
            await turns[second].WaitAsync(TimeSpan.FromSeconds(10), Stopping);
        }

        Assert.All(await Task.WhenAll(turns), Assert.Null);
        meter.Charge(Metered.JobDeviceOperations, 0);
        _time.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(HubErrorCode.IotHubQuotaExceeded, (await meter.PassPatientlyAsync(Metered.JobDeviceOperations, Device, Stopping))?.Code);
    }

    private HubMeter Meter(QuotaTier tier, Action<QuotaOptions>? set = null, TimeSpan? maxDelay = null, long? daily = null)
    {
        var options = new QuotaOptions { Tier = tier, DailyMessages = daily };
        options.MaxDelay = maxDelay ?? options.MaxDelay;
        set?.Invoke(options);
        return new HubMeter(new QuotaPlan(options), _time);
    }
}
