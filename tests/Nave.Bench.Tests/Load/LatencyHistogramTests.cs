using Nave.Bench.Load;

namespace Nave.Bench.Tests.Load;

public sealed class LatencyHistogramTests
{
    [Fact]
    public void Small_values_are_exact()
    {
        var histogram = new LatencyHistogram();
        for (var value = 1; value <= 100; value++)
        {
            histogram.Record(value);
        }

        Assert.Equal(50, histogram.Percentile(0.50));
        Assert.Equal(99, histogram.Percentile(0.99));
        Assert.Equal(100, histogram.Percentile(1));
        Assert.Equal(50.5, histogram.Mean);
    }

    [Theory]
    [InlineData(127)]
    [InlineData(128)]
    [InlineData(255)]
    [InlineData(256)]
    [InlineData(1_000_003)]
    [InlineData(7_777_777_777)]
    [InlineData(long.MaxValue / 2)]
    public void A_value_comes_back_within_one_percent_and_never_smaller(long value)
    {
        var histogram = new LatencyHistogram();
        histogram.Record(value);
        histogram.Record(long.MaxValue - 1); // So that the maximum does not cap the answer.

        var median = histogram.Percentile(0.5);

        Assert.InRange(median, value, value + (value / 100) + 1);
    }

    [Fact]
    public void Percentiles_of_a_known_distribution_are_within_one_percent()
    {
        var histogram = new LatencyHistogram();
        for (var i = 1; i <= 100_000; i++)
        {
            histogram.Record(i * 1_000L);
        }

        Assert.InRange(histogram.Percentile(0.50), 50_000_000, 50_500_000);
        Assert.InRange(histogram.Percentile(0.999), 99_900_000, 100_000_000);
        Assert.Equal(100_000_000, histogram.Max);
    }

    [Fact]
    public void Adding_sums_two_histograms()
    {
        var one = new LatencyHistogram();
        var other = new LatencyHistogram();
        one.Record(10);
        other.Record(20);
        other.Record(90);

        one.Add(other);

        Assert.Equal(3, one.Count);
        Assert.Equal(20, one.Percentile(0.5));
        Assert.Equal(90, one.Max);
        Assert.Equal(40, one.Mean);
    }

    [Fact]
    public void An_empty_histogram_answers_zero()
    {
        Assert.Equal(0, new LatencyHistogram().Percentile(0.99));
        Assert.Equal(0, new LatencyHistogram().Mean);
    }
}
