namespace Nave.Cli.Simulation;

/// <summary>
/// Latencies in buckets that grow by a tenth, so that a percentile is right within a tenth whatever its size, and a long
/// run needs no more memory than a short one. Any thread may call.
/// </summary>
internal sealed class LatencyRecorder
{
    private const double Growth = 1.1;
    private const double LeastMilliseconds = 0.01;

    // 0.01 ms times 1.1 to the 200th: half an hour.
    private readonly long[] _buckets = new long[200];
    private long _count;
    private long _maxTicks;

    /// <summary>How many were recorded.</summary>
    public long Count => Interlocked.Read(ref _count);

    /// <summary>The longest.</summary>
    public TimeSpan Max => new(Interlocked.Read(ref _maxTicks));

    /// <summary>Takes one.</summary>
    public void Record(TimeSpan latency)
    {
        var bucket = (int)Math.Ceiling(Math.Log(Math.Max(latency.TotalMilliseconds, LeastMilliseconds) / LeastMilliseconds, Growth));
        Interlocked.Increment(ref _buckets[Math.Clamp(bucket, 0, _buckets.Length - 1)]);
        Interlocked.Increment(ref _count);
        var ticks = latency.Ticks;
        for (var seen = Interlocked.Read(ref _maxTicks); ticks > seen; seen = Interlocked.Read(ref _maxTicks))
        {
            Interlocked.CompareExchange(ref _maxTicks, ticks, seen);
        }
    }

    /// <summary>The latency that this share of all stayed under, rounded up by at most a tenth.</summary>
    public TimeSpan Percentile(double percent)
    {
        var wanted = (long)Math.Ceiling(Count * percent / 100);
        long seen = 0;
        for (var i = 0; i < _buckets.Length; i++)
        {
            seen += Interlocked.Read(ref _buckets[i]);
            if (seen >= wanted && seen > 0)
            {
                var bound = TimeSpan.FromMilliseconds(LeastMilliseconds * Math.Pow(Growth, i));
                return bound < Max ? bound : Max;
            }
        }

        return TimeSpan.Zero;
    }
}
