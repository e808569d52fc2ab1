using Nave.Bench.Scenarios;

namespace Nave.Bench.Tests.Scenarios;

public sealed class DemandTests
{
    [Theory]
    [InlineData(1.1, true, "row 3, CPU: must at most 1.2 x mqttnet: met (1.1)")]
    [InlineData(1.3, false, "row 3, CPU: must at most 1.2 x mqttnet: NOT met (1.3)")]
    public void A_demand_says_whether_it_is_met_and_by_which_figure(double nave, bool isMet, string line)
    {
        var demand = new Demand(3, "CPU", Bar.AtMost(Median(nave), 1.2, "mqttnet", Median(1)));

        Assert.Equal((isMet, line), (demand.Must.IsMet, demand.ToString()));
    }

    [Fact]
    public void Without_the_peer_nothing_is_judged()
    {
        var demand = new Demand(1, "rate", Bar.AtLeast(Median(100), 3, "mosquitto", null), Bar.AtLeast(Median(100), 0.6, "floor", Median(100)));

        Assert.Null(demand.Must.IsMet);
        Assert.Equal("row 1, rate: must at least 3 x mosquitto: not judged, not measured here; aim at least 0.6 x floor: met (1)", demand.ToString());
    }

    private static Spread Median(double value) => new(value, value, value);
}
