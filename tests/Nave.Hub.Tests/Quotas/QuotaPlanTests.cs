using Nave.Hub.Hosting;
using Nave.Hub.Quotas;

namespace Nave.Hub.Tests.Quotas;

/// <summary>The numbers of the tiers (spec/messaging-semantics.md 3.1 and 3.2), and what is set over them.</summary>
public sealed class QuotaPlanTests
{
    // In the order of Metered.
    private const string F1 = "100/s 100/s 100/min 1000/min 100/min 100/s 50/s 40/s 20/min 100/min 10/s 20/min";

    [Theory]
    [InlineData(QuotaTier.F1, 1, 8_000, 512, F1)]
    [InlineData(QuotaTier.F1, 9, 8_000, 512, F1)]
    [InlineData(QuotaTier.S1, 1, 400_000, 4096, F1)]
    [InlineData(QuotaTier.S1, 10, 4_000_000, 4096, "120/s 120/s 1000/min 10000/min 1000/min 100/s 50/s 400/s 200/min 1000/min 10/s 200/min")]
    [InlineData(QuotaTier.S2, 1, 6_000_000, 4096, "120/s 120/s 100/min 1000/min 100/min 100/s 50/s 120/s 20/min 100/min 10/s 20/min")]
    [InlineData(QuotaTier.S2, 20, 120_000_000, 4096, "2400/s 2400/s 2000/min 20000/min 2000/min 200/s 100/s 2400/s 400/min 2000/min 20/s 400/min")]
    [InlineData(QuotaTier.S3, 2, 600_000_000, 4096, "12000/s 12000/s 10000/min 100000/min 10000/min 1000/s 500/s 12288/s 2000/min 10000/min 100/s 40/min")]
    public void A_tier_has_the_services_numbers(QuotaTier tier, int units, long daily, int blockBytes, string rates)
    {
        var plan = new QuotaPlan(new QuotaOptions { Tier = tier, Units = units });

        Assert.True(plan.IsOn);
        Assert.Equal((daily, blockBytes), (plan.DailyUnits, plan.BlockBytes));
        Assert.Equal(rates, string.Join(' ', MeteredWords.All.Select(operation => plan.RateOf(operation)?.ToString())));
    }

    [Fact]
    public void Without_a_tier_everything_is_off()
    {
        var plan = new QuotaPlan(new QuotaOptions());

        Assert.False(plan.IsOn);
        Assert.Null(plan.DailyUnits);
        Assert.All(MeteredWords.All, operation => Assert.Null(plan.RateOf(operation)));
        Assert.Null(plan.MaxActiveJobs);
    }

    [Fact]
    public void Every_limit_can_be_set_alone_and_lifted()
    {
        Assert.All(MeteredWords.All, operation =>
        {
            var alone = new HubOptions();
            Set(alone, operation.Option(), "7/min");
            var plan = new QuotaPlan(alone.Quota);
            Assert.True(plan.IsOn);
            Assert.Null(plan.DailyUnits);
            Assert.All(MeteredWords.All, other => Assert.Equal(other == operation ? "7/min" : null, plan.RateOf(other)?.ToString()));

            var lifted = new HubOptions();
            Set(lifted, "Quota:Tier", "S1");
            Set(lifted, operation.Option(), "off");
            Assert.All(MeteredWords.All, other => Assert.Equal(other == operation, new QuotaPlan(lifted.Quota).RateOf(other) is null));
        });
    }

    [Fact]
    public void The_days_units_can_be_set_alone_and_lifted()
    {
        var alone = new HubOptions();
        Set(alone, "Quota:DailyMessages", "5");
        Assert.Equal((true, 5L), (new QuotaPlan(alone.Quota).IsOn, new QuotaPlan(alone.Quota).DailyUnits));

        var lifted = new HubOptions();
        Set(lifted, "Quota:Tier", "s2");
        Set(lifted, "Quota:DailyMessages", "off");
        Set(lifted, "Quota:BlockBytes", "1024");
        var plan = new QuotaPlan(lifted.Quota);
        Assert.Equal((true, null, 1024), (plan.IsOn, plan.DailyUnits, plan.BlockBytes));
    }

    [Theory]
    [InlineData(QuotaTier.S1, 1)]
    [InlineData(QuotaTier.S2, 5)]
    [InlineData(QuotaTier.S3, 10)]
    public void A_tier_says_how_many_jobs_run(QuotaTier tier, int jobs) =>
        Assert.Equal(jobs, new QuotaPlan(new QuotaOptions { Tier = tier }).MaxActiveJobs);

    private static void Set(HubOptions options, string name, string value) => OptionTable.Find(name)!.Set(options, value);
}
