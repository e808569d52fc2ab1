using Nave.Bench.Scenarios;

namespace Nave.Bench.Tests.Scenarios;

public sealed class QueriesCommandTests
{
    [Fact]
    public async Task A_small_hub_answers_every_query_of_the_scenario()
    {
        var directory = Directory.CreateTempSubdirectory("nave-bench-query-");
        try
        {
            var report = await QueriesCommand.MeasureAsync(directory.FullName, twins: 300, runs: 2, TestContext.Current.CancellationToken);

            Assert.Equal([1, 1, 1, 1, 4, 0, 100, 100], report.Rows.Select(row => row.Rows));
            Assert.InRange(report.TwinBytes, 900, 1200);
            Assert.All(report.Rows, row => Assert.InRange(row.P50Ms, 0, row.MaxMs));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }
}
