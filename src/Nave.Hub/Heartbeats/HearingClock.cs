namespace Nave.Hub.Heartbeats;

/// <summary>
/// The time that deadlines are measured in: milliseconds in which the hub could hear. It stands still while the log takes
/// nothing, and over a gap in which this process did not run; the wall clock has no part in it. One caller.
/// </summary>
internal sealed class HearingClock(TimeProvider time)
{
    /// <summary>A longer gap between two looks means that the process did not run, and heard nobody.</summary>
    public static readonly TimeSpan MaxGap = TimeSpan.FromSeconds(2);

    private long _last = time.GetTimestamp();
    private long _nowMs;
    private double _rest;

    /// <summary>Milliseconds since the start.</summary>
    public long NowMs => Volatile.Read(ref _nowMs);

    /// <summary>Goes on.</summary>
    /// <param name="isHearing">Whether messages could be taken since the last call.</param>
    /// <returns>The gap that was not counted; zero usually.</returns>
    public TimeSpan Advance(bool isHearing)
    {
        var at = time.GetTimestamp();
        var elapsed = time.GetElapsedTime(_last, at);
        _last = at;
        if (!isHearing || elapsed > MaxGap)
        {
            return elapsed > MaxGap ? elapsed : TimeSpan.Zero;
        }

        // Whole milliseconds; what is left is not lost.
        var exact = elapsed.TotalMilliseconds + _rest;
        var whole = Math.Floor(exact);
        _rest = exact - whole;
        Volatile.Write(ref _nowMs, _nowMs + (long)whole);
        return TimeSpan.Zero;
    }
}
