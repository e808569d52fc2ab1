using System.Text.Json;
using Nave.Bench.Scenarios;

namespace Nave.Bench.Tests.Scenarios;

/// <summary>The parts of <c>bench twins</c> that need no hub.</summary>
public sealed class TwinsTests
{
    [Theory]
    [InlineData(100)]
    [InlineData(900)]
    public void Reported_properties_are_json_of_about_the_length_asked_for(int bytes)
    {
        var reported = TwinsCommand.Reported(bytes);

        using var parsed = JsonDocument.Parse(reported);
        Assert.True(parsed.RootElement.GetPropertyCount() > 1);
        Assert.InRange(reported.Length, bytes, bytes + 60);
    }

    [Fact]
    public void Raw_upserts_are_counted()
    {
        var directory = Directory.CreateTempSubdirectory("nave-bench-twins");
        try
        {
            using var sqlite = new SqliteUpserts(directory.FullName, rows: 50, TwinsCommand.Reported(200));

            Assert.True(sqlite.Measure(50, TimeSpan.FromMilliseconds(50), TimeProvider.System) > 0);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Fact]
    public void The_ratio_is_of_medians()
    {
        var rounds = new[] { (10.0, 20.0), (30.0, 20.0), (12.0, 25.0) }
            .Select((rates, i) => new TwinsRound(i + 1, rates.Item2, rates.Item2, rates.Item1, 1, 2, 3, 0, 0, null)).ToArray();

        var report = TwinsReport.Of(default, [], null!, null!, "", new Dictionary<string, string>(), rounds);

        Assert.Equal((12.0, 20.0, 0.6), (report.NavePerSecond.Median, report.SqlitePerSecond.Median, report.Ratio));
    }
}
