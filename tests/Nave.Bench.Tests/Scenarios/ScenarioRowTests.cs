using Nave.Bench.Load;
using Nave.Bench.Scenarios;

namespace Nave.Bench.Tests.Scenarios;

public sealed class ScenarioRowTests
{
    [Fact]
    public void Rows_are_medians_and_ratios_are_ratios_of_medians()
    {
        PeerRun[] runs =
        [
            Run("nave", 300, 3), Run("nave", 100, 2), Run("nave", 200, 4),
            Run("mosquitto", 50, 8), Run("mosquitto", 40, 6), Run("mosquitto", 90, 7),
            Run("floor", 400, 1), Run("floor", 500, 1), Run("floor", 600, 1),
        ];

        var row = ScenarioRow.Of(runs).Single(one => one.Peer is "nave");

        Assert.Equal(new Spread(200, 100, 300), row.AcknowledgedPerSecond);
        Assert.Equal(4, row.RateToMosquitto);
        Assert.Equal(0.4, row.RateToFloor);
        Assert.Equal(0.429, row.CpuToMosquitto);
        Assert.Equal(3, row.CpuToFloor);
    }

    [Fact]
    public void Without_a_peer_there_is_no_ratio_to_it()
    {
        var row = ScenarioRow.Of([Run("floor", 400, 1)]).Single();

        Assert.Null(row.RateToMosquitto);
        Assert.Equal(1, row.RateToFloor);
    }

    [Fact]
    public void The_median_of_an_even_count_lies_between_the_middle_two() =>
        Assert.Equal(new Spread(2.5, 1, 10), Spread.Of([10, 1, 3, 2]));

    [Theory]
    [InlineData("tmpfs", 150, true)]
    [InlineData("ext4", 150, false)]
    [InlineData("ext4", 5, true)]
    public void A_disk_that_does_not_sync_voids_a_run(string fileSystem, double syncMicroseconds, bool isVoid) =>
        Assert.Equal(isVoid, new DiskReport("/data", fileSystem, syncMicroseconds, 300).Problem is not null);

    private static PeerRun Run(string peer, double rate, double cpu)
    {
        var latency = new LatencyReport(1, 1, 1, 1, 1, 1);
        return new PeerRun(peer, "window 10", 1, new LoadReport(
            "x", 1, 256, 10, null, 100, 0, 100, 1, latency, 1, 1, rate, latency, 0, 0, 0, 0, null, 1, 0,
            new ServerReport(cpu, cpu, 0, 0, 0, 0)));
    }
}
