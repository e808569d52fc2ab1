using System.CommandLine;
using System.Text.Json;
using Nave.Bench.Load;
using Nave.Bench.Scenarios;

namespace Nave.Bench.Tests.Scenarios;

/// <summary>The scenarios of issue 6 rows 1 to 5: a tiny run of each with the servers of the bench itself, and what they conclude.</summary>
public sealed class RateScenarioTests
{
    [Theory]
    [InlineData("ingest", "--windows 5 --connections 3 --payload 20 --warm-up 0 --duration 1 --peers kestrel --rounds 2", "kestrel", 2)]
    [InlineData("latency", "--rate 500 --connections 3 --warm-up 0 --duration 1 --peers kestrel,mqttnet --rounds 1", "mqttnet", 2)]
    [InlineData("steady", "--rate 500 --connections 3 --warm-up 0 --duration 1 --peers floor --rounds 1", "floor", 1)]
    public async Task A_tiny_run_reports_every_server_of_every_round(string scenario, string arguments, string peer, int runs)
    {
        var report = await RunAsync(scenario, arguments + " --json");

        Assert.Equal(scenario, report.GetProperty("scenario").GetString());
        Assert.Equal(runs, report.GetProperty("runs").GetArrayLength());
        Assert.Contains(peer, report.GetProperty("versions").EnumerateObject().Select(one => one.Name));
        Assert.Empty(report.GetProperty("demands").EnumerateArray()); // Another load than the usual is not judged.
        Assert.All(report.GetProperty("rows").EnumerateArray(), row =>
        {
            Assert.Equal(0, row.GetProperty("errors").GetInt64());
            Assert.True(row.GetProperty("acknowledgedPerSecond").GetProperty("median").GetDouble() > 0);
            Assert.True(row.GetProperty("p99Ms").GetProperty("median").GetDouble() > 0);
        });
    }

    [Theory]
    [InlineData(11, true)]
    [InlineData(13, false)]
    public void Row_3_is_cpu_beside_mqttnet_and_mosquitto(double nave, bool isMet)
    {
        var rows = ScenarioRow.Of([Run("nave", nave, 1), Run("mqttnet", 10, 1), Run("mosquitto", 6, 1)]);

        var row = Assert.Single(LatencyCommand.Judge("case", rows, Disk(syncP99: 1000)));

        Assert.Equal((3, isMet, isMet), (row.Row, row.Must.IsMet, row.Aim!.IsMet));
    }

    [Theory]
    [InlineData(5.9, true, true)]
    [InlineData(10.9, true, false)]
    [InlineData(11.1, false, false)]
    public void Row_4_allows_the_unsynced_p99_and_some_syncs(double nave, bool isMust, bool isAim)
    {
        var rows = ScenarioRow.Of([Run("nave", 1, nave), Run("nave-unsynced", 1, 2)]);

        var row = LatencyCommand.Judge("case", rows, Disk(syncP99: 1000)).Single(demand => demand.Row is 4);

        Assert.Equal((11.0, isMust, 6.0, isAim), (row.Must.Limit, row.Must.IsMet, row.Aim!.Limit, row.Aim.IsMet));
    }

    [Theory]
    [InlineData(995, 30, 35, true)]
    [InlineData(980, 30, 35, false)]
    [InlineData(995, 30, 60, false)]
    public void Row_5_asks_for_the_rate_and_for_lateness_that_does_not_rise(double rate, double firstHalf, double lastHalf, bool isMet)
    {
        var rows = ScenarioRow.Of([Run("nave", 1, 40, rate, firstHalf, lastHalf)]);

        var demands = SteadyCommand.Judge("case", 1000, rows).Where(demand => demand.Must.IsMet is not null);

        Assert.Equal(isMet, demands.All(demand => demand.Must.IsMet is true));
        Assert.Equal(3, demands.Count());
    }

    private static async Task<JsonElement> RunAsync(string scenario, string arguments)
    {
        var root = new RootCommand { IngestCommand.Create(), LatencyCommand.Create(), SteadyCommand.Create() };
        var (output, errors) = (new StringWriter(), new StringWriter());

        await root.Parse($"{scenario} {arguments}").InvokeAsync(
            new InvocationConfiguration { Output = output, Error = errors }, TestContext.Current.CancellationToken);

        return output.ToString() is { Length: > 0 } json ? JsonDocument.Parse(json).RootElement : throw new InvalidOperationException(errors.ToString());
    }

    private static DiskReport Disk(double syncP99) => new("/data", "ext4", 150, syncP99);

    private static PeerRun Run(string peer, double cpu, double p99, double rate = 100, double firstHalf = 1, double lastHalf = 1)
    {
        var latency = new LatencyReport(1, 1, 1, p99, 1, 1);
        return new PeerRun(peer, "case", 1, new LoadReport(
            "x", 1, 256, 10, null, 100, 0, 100, 1, latency, 1, 1, rate, latency, 0, 0, 0, 0, null, 1, 0, new ServerReport(cpu, cpu, 0, 0, 0, 0))
        {
            FirstHalf = latency with { MeanMs = firstHalf },
            LastHalf = latency with { MeanMs = lastHalf },
        });
    }
}
