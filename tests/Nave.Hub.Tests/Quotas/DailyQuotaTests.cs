using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Quotas;
using Nave.Hub.Tests.Harness;
using Nave.Tests;

namespace Nave.Hub.Tests.Quotas;

/// <summary>The units of a day: until midnight, over restarts and beside other nodes.</summary>
public sealed class DailyQuotaTests
{
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 26, 23, 59, 0, TimeSpan.Zero));

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    [Fact]
    [Conformance("messaging-semantics", 16)]
    public void It_is_exhausted_until_midnight_utc()
    {
        var daily = new DailyQuota(3, _time);

        daily.Charge(Metered.TelemetrySends, 2);
        Assert.False(daily.IsExhausted);
        daily.Charge(Metered.Queries, 2); // The last one may cost more than is left.
        Assert.True(daily.IsExhausted);
        Assert.Equal(new DateTimeOffset(2026, 11, 27, 0, 0, 0, TimeSpan.Zero), daily.ResetsAt);

        _time.Advance(TimeSpan.FromSeconds(59));
        Assert.True(daily.IsExhausted);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(daily.IsExhausted);
        Assert.Equal(0, daily.Read().Sum());
    }

    [Fact]
    public void A_clock_that_is_set_back_does_not_give_the_day_again()
    {
        var clock = new SetClock { Now = _time.GetUtcNow() };
        var daily = new DailyQuota(1, clock);
        daily.Charge(Metered.TelemetrySends, 1);

        clock.Now -= TimeSpan.FromDays(2);
        Assert.True(daily.IsExhausted);

        clock.Now += TimeSpan.FromDays(1);
        Assert.False(daily.IsExhausted); // By that clock it is a new day.
    }

    [Fact]
    public async Task What_was_used_outlives_a_restart()
    {
        await using var database = new TestDatabase(QuotaStore.Schema);
        using (var first = Keeper(database, out var meter))
        {
            await first.LoadAsync(Stopping);
            meter.Charge(Metered.TelemetrySends, 6 * 1024);
            meter.Charge(Metered.Methods, 0);
            await first.StopAsync(Stopping);
        }

        await database.ReopenAsync();

        using var second = Keeper(database, out var again);
        Assert.Equal(0, again.Daily!.Read().Sum());
        await second.LoadAsync(Stopping);
        Assert.Equal((2L, 1L), (again.Daily!.Read()[(int)Metered.TelemetrySends], again.Daily!.Read()[(int)Metered.Methods]));
    }

    [Fact]
    public async Task It_writes_by_itself_every_few_seconds_and_only_what_is_new()
    {
        await using var database = new TestDatabase(QuotaStore.Schema);
        var store = new QuotaStore(database.Database);
        using var keeper = Keeper(database, out var meter);
        await keeper.StartAsync(Stopping);
        meter.Charge(Metered.TelemetrySends, 1);

        var day = Today;
        await Eventually(async () =>
        {
            _time.Advance(QuotaKeeper.Interval); // Its timer is there a moment after the start.
            return (await store.ReadAsync(day, Stopping))[(int)Metered.TelemetrySends] == 1;
        });
        await keeper.SaveAsync(Stopping);
        await keeper.StopAsync(Stopping);

        Assert.Equal(1, (await store.ReadAsync(day, Stopping)).Sum());
        Assert.Empty(meter.Daily!.ReadUnsaved());
    }

    [Fact]
    public async Task Two_nodes_add_up_and_each_learns_of_the_other()
    {
        await using var database = new TestDatabase(QuotaStore.Schema);
        using var left = Keeper(database, out var leftMeter);
        using var right = Keeper(database, out var rightMeter);

        leftMeter.Charge(Metered.TelemetrySends, 1);
        await left.SaveAsync(Stopping);
        rightMeter.Charge(Metered.TelemetrySends, 1);
        rightMeter.Charge(Metered.CommandSends, 1);
        await right.SaveAsync(Stopping);
        leftMeter.Charge(Metered.TelemetrySends, 1);
        await left.SaveAsync(Stopping);

        Assert.Equal(3, rightMeter.Daily!.Read().Sum());
        Assert.Equal((3L, 1L), (leftMeter.Daily!.Read()[(int)Metered.TelemetrySends], leftMeter.Daily!.Read()[(int)Metered.CommandSends]));
    }

    [Fact]
    public async Task What_was_counted_before_midnight_is_written_to_its_own_day()
    {
        await using var database = new TestDatabase(QuotaStore.Schema);
        var store = new QuotaStore(database.Database);
        using var keeper = Keeper(database, out var meter);
        var yesterday = Today;
        meter.Charge(Metered.TelemetrySends, 1);
        _time.Advance(TimeSpan.FromMinutes(2));
        meter.Charge(Metered.Queries, 1);

        await keeper.SaveAsync(Stopping);

        Assert.Equal(1, (await store.ReadAsync(yesterday, Stopping))[(int)Metered.TelemetrySends]);
        Assert.Equal(1, (await store.ReadAsync(Today, Stopping)).Sum());
        Assert.Equal(1, meter.Daily!.Read().Sum());
        Assert.Empty(meter.Daily!.ReadUnsaved());
    }

    [Fact]
    public async Task A_database_that_takes_nothing_costs_no_count()
    {
        await using var database = new TestDatabase(QuotaStore.Schema);
        using var keeper = Keeper(database, out var meter);
        meter.Charge(Metered.TelemetrySends, 1);
        await database.Database.DisposeAsync();

        await Assert.ThrowsAnyAsync<Exception>(() => keeper.SaveAsync(Stopping));

        Assert.Equal(1, meter.Daily!.Read().Sum());
        Assert.Equal(1, Assert.Single(meter.Daily!.ReadUnsaved()).Value.Sum());
    }

    private int Today => DailyQuota.DayOf(_time.GetUtcNow());

    private QuotaKeeper Keeper(TestDatabase database, out HubMeter meter)
    {
        meter = new HubMeter(new QuotaPlan(new QuotaOptions { DailyMessages = 1000 }), _time);
        return new QuotaKeeper(meter, new QuotaStore(database.Database), _time, NullLogger<QuotaKeeper>.Instance);
    }

    private static async Task Eventually(Func<Task<bool>> holds)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while (!await holds())
        {
            Assert.False(deadline.IsCancellationRequested, "What was counted was not written within 10 s.");
            await Task.Yield();
        }
    }

    private sealed class SetClock : TimeProvider
    {
        public DateTimeOffset Now { get; set; }

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
