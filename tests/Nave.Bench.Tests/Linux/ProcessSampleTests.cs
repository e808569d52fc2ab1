using Nave.Bench.Linux;

namespace Nave.Bench.Tests.Linux;

public sealed class ProcessSampleTests
{
    private const string Fields3To52 =
        "S 1 4711 4711 0 -1 4194560 900 0 1 0 1234 66 7 8 20 0 9 0 5000 300000000 2500 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0";

    [Theory]
    [InlineData("mosquitto")]
    [InlineData("a b")]
    [InlineData("odd) name (x")]
    public void Cpu_and_memory_are_read_whatever_the_name_is(string name)
    {
        var sample = ProcessSample.Parse($"4711 ({name}) {Fields3To52}", ticksPerSecond: 100, pageBytes: 4096);

        Assert.Equal(TimeSpan.FromSeconds(13), sample.Cpu);
        Assert.Equal(2500 * 4096, sample.ResidentBytes);
    }

    [Fact]
    public void A_short_line_is_refused() =>
        Assert.Throws<FormatException>(() => ProcessSample.Parse("4711 (x) S 1 2 3", 100, 4096));

    [Fact]
    public void The_own_process_can_be_read_and_a_missing_one_is_null()
    {
        Assert.True(ProcessSample.Read(Environment.ProcessId) is { ResidentBytes: > 1_000_000 });
        Assert.Null(ProcessSample.Read(int.MaxValue));
    }
}
