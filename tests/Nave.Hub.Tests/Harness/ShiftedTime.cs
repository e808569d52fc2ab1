namespace Nave.Hub.Tests.Harness;

/// <summary>The real clock, put forward by the test: for a whole hub, whose timers must run by themselves.</summary>
internal sealed class ShiftedTime : TimeProvider
{
    private long _ticks;

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + Shift;

    public override long GetTimestamp() => System.GetTimestamp() + (long)(Shift.TotalSeconds * TimestampFrequency);

    private TimeSpan Shift => new(Interlocked.Read(ref _ticks));

    public void Advance(TimeSpan by) => Interlocked.Add(ref _ticks, by.Ticks);
}
