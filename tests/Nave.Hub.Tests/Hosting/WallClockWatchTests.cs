using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Hosting;
using Nave.Hub.Tests.Harness;

namespace Nave.Hub.Tests.Hosting;

public sealed class WallClockWatchTests
{
    [Theory]
    [InlineData(6, 1)]
    [InlineData(-6, 1)]
    [InlineData(4, 0)]
    public void Only_a_jump_of_more_than_five_seconds_is_worth_a_warning(int seconds, int warnings)
    {
        var time = new JumpingTime();
        using var log = new TestLog();
        using var loggers = new LoggerFactory([log]);
        using var watch = new WallClockWatch(time, loggers.CreateLogger<WallClockWatch>());

        time.Advance(TimeSpan.FromSeconds(10));
        time.Jump = TimeSpan.FromSeconds(seconds);
        time.Advance(TimeSpan.FromSeconds(3));

        Assert.Equal(warnings, log.Lines.Count(line => line is { Id: 1510, Level: LogLevel.Warning }));
    }

    /// <summary>A clock whose wall time can be set without the monotonic one noticing.</summary>
    private sealed class JumpingTime : FakeTimeProvider
    {
        public TimeSpan Jump { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Jump;

        public override long GetTimestamp() => base.GetUtcNow().Ticks;
    }
}
