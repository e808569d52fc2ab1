using Nave.Cli.Simulation;

namespace Nave.Cli.Tests.Simulation;

public sealed class LatencyRecorderTests
{
    [Fact]
    public void Percentiles_are_right_within_a_tenth()
    {
        var recorder = new LatencyRecorder();
        for (var milliseconds = 1; milliseconds <= 1000; milliseconds++)
        {
            recorder.Record(TimeSpan.FromMilliseconds(milliseconds));
        }

        Assert.InRange(recorder.Percentile(50).TotalMilliseconds, 500, 550);
        Assert.InRange(recorder.Percentile(99).TotalMilliseconds, 990, 1000);
        Assert.Equal(TimeSpan.FromMilliseconds(1000), recorder.Max);
        Assert.Equal(1000, recorder.Count);
    }

    [Fact]
    public void Nothing_recorded_is_zero() => Assert.Equal(TimeSpan.Zero, new LatencyRecorder().Percentile(99));
}
