using System.Numerics;

namespace Nave.Bench.Load;

/// <summary>
/// Counts durations in nanoseconds in buckets that are at most 1/128 of their value wide, so that percentiles are
/// right to one per cent at any size, recording costs a few instructions and nothing is allocated. One thread writes.
/// </summary>
internal sealed class LatencyHistogram
{
    private const int SubBucketBits = 7;
    private const int SubBuckets = 1 << SubBucketBits;
    private readonly long[] _counts = new long[(64 - SubBucketBits) * SubBuckets];
    private long _sum;

    public long Count { get; private set; }

    public long Max { get; private set; }

    public double Mean => Count is 0 ? 0 : (double)_sum / Count;

    public void Record(long nanoseconds)
    {
        nanoseconds = Math.Max(nanoseconds, 0);
        _counts[BucketOf(nanoseconds)]++;
        _sum += nanoseconds;
        Count++;
        Max = Math.Max(Max, nanoseconds);
    }

    public void Add(LatencyHistogram other)
    {
        for (var i = 0; i < _counts.Length; i++)
        {
            _counts[i] += other._counts[i];
        }

        _sum += other._sum;
        Count += other.Count;
        Max = Math.Max(Max, other.Max);
    }

    /// <summary>The smallest duration that the given share (0 to 1) of all records does not exceed; 0 when empty.</summary>
    public long Percentile(double share)
    {
        var rank = Math.Max((long)Math.Ceiling(share * Count), 1);
        long seen = 0;
        for (var i = 0; i < _counts.Length; i++)
        {
            seen += _counts[i];
            if (seen >= rank)
            {
                return Math.Min(UpperEdgeOf(i), Max);
            }
        }

        return 0;
    }

    // Below 128 a bucket is one nanosecond; above, each power of two is split into 128 buckets.
    private static int BucketOf(long value)
    {
        var shift = Math.Max(BitOperations.Log2((ulong)value) - SubBucketBits, 0);
        return (shift << SubBucketBits) + (int)(value >> shift);
    }

    private static long UpperEdgeOf(int bucket)
    {
        var shift = Math.Max((bucket >> SubBucketBits) - 1, 0);
        return ((bucket - ((long)shift << SubBucketBits) + 1) << shift) - 1;
    }
}
