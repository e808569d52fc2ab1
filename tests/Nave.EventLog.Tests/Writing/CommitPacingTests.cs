using Nave.EventLog.Writing;

namespace Nave.EventLog.Tests.Writing;

public sealed class CommitPacingTests
{
    private static readonly TimeSpan Max = TimeSpan.FromMilliseconds(2);
    private readonly CommitPacing _pacing = new(Max);

    [Fact]
    public void A_quiet_log_never_waits()
    {
        for (var i = 0; i < 1000; i++)
        {
            Assert.Equal(TimeSpan.Zero, _pacing.Linger(1));
            _pacing.Committed(1, TimeSpan.FromMilliseconds(50));
        }
    }

    [Fact]
    public void A_batch_that_is_big_already_never_waits()
    {
        for (var i = 0; i < 1000; i++)
        {
            Assert.Equal(TimeSpan.Zero, _pacing.Linger(500));
            _pacing.Committed(500, TimeSpan.FromMilliseconds(1));
        }
    }

    [Fact]
    public void Small_batches_in_quick_succession_wait_for_company_as_long_as_it_comes()
    {
        var lingered = 0;
        for (var i = 0; i < 2000; i++)
        {
            var linger = _pacing.Linger(2);
            lingered += linger > TimeSpan.Zero ? 1 : 0;
            _pacing.Committed(linger > TimeSpan.Zero ? 22 : 2, TimeSpan.FromMilliseconds(0.2) + linger);
        }

        Assert.InRange(lingered, 1500, 2000);
    }

    [Fact]
    public void Where_waiting_brings_no_company_it_is_left_alone()
    {
        // One client that sends its next record after the acknowledgement of the last.
        var lingered = 0;
        for (var i = 0; i < 20_000; i++)
        {
            var linger = _pacing.Linger(1);
            lingered += linger > TimeSpan.Zero ? 1 : 0;
            _pacing.Committed(1, TimeSpan.FromMilliseconds(0.15) + linger);
        }

        Assert.InRange(lingered, 1, 20);
    }

    [Fact]
    public void It_can_be_switched_off()
    {
        var never = new CommitPacing(TimeSpan.Zero);
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(TimeSpan.Zero, never.Linger(1));
            never.Committed(1, TimeSpan.FromMicroseconds(10));
        }
    }
}
