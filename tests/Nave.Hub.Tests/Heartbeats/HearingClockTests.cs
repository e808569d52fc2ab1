using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Heartbeats;

namespace Nave.Hub.Tests.Heartbeats;

/// <summary>The time that deadlines are measured in stands still while the hub cannot hear.</summary>
public sealed class HearingClockTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void It_goes_as_time_goes_and_loses_no_fraction()
    {
        var clock = new HearingClock(_time);
        for (var i = 0; i < 1_000; i++)
        {
            _time.Advance(TimeSpan.FromMicroseconds(1_500));
            Assert.Equal(TimeSpan.Zero, clock.Advance(isHearing: true));
        }

        Assert.Equal(1_500, clock.NowMs);
    }

    [Fact]
    public void It_stands_still_while_the_log_takes_nothing_and_goes_on_where_it_stood()
    {
        var clock = new HearingClock(_time);
        Pass(clock, isHearing: true);
        for (var i = 0; i < 100; i++)
        {
            Pass(clock, isHearing: false);
        }

        Assert.Equal(250, clock.NowMs);
        Pass(clock, isHearing: true);
        Assert.Equal(500, clock.NowMs);
    }

    [Fact]
    public void A_gap_in_which_the_process_did_not_run_is_not_counted_and_told()
    {
        var clock = new HearingClock(_time);
        Pass(clock, isHearing: true);
        _time.Advance(TimeSpan.FromSeconds(2.001));

        Assert.Equal(TimeSpan.FromSeconds(2.001), clock.Advance(isHearing: true));
        Assert.Equal(250, clock.NowMs);
    }

    private void Pass(HearingClock clock, bool isHearing)
    {
        _time.Advance(TimeSpan.FromMilliseconds(250));
        clock.Advance(isHearing);
    }
}
