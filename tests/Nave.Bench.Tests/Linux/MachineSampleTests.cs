using Nave.Bench.Linux;

namespace Nave.Bench.Tests.Linux;

public sealed class MachineSampleTests
{
    [Fact]
    public void Idle_and_waiting_are_not_busy() =>
        Assert.Equal(
            TimeSpan.FromSeconds(1 + 2 + 3 + 6 + 7 + 8),
            MachineSample.Parse("cpu  100 200 300 400 500 600 700 800 0 0", ticksPerSecond: 100).Busy);

    [Theory]
    [InlineData("")]
    [InlineData("cpu0 1 2 3 4 5 6 7 8 9 10")]
    [InlineData("cpu 1 2 3")]
    public void Another_line_is_refused(string line) => Assert.Throws<FormatException>(() => MachineSample.Parse(line, 100));

    [Fact]
    public void The_machine_has_been_busy() => Assert.True(MachineSample.Read().Busy > TimeSpan.Zero);
}
