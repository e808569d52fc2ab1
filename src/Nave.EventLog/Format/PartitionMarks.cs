namespace Nave.EventLog.Format;

/// <summary>
/// A place in the log, per partition (numbered by <see cref="StreamTable"/>): the next sequence number and the time of
/// the record before it. Segment headers, index entries and the writer's state are all this.
/// </summary>
internal sealed class PartitionMarks(int count)
{
    /// <summary>Time of a partition that never had a record.</summary>
    public const long NoTime = long.MinValue;

    public long[] Next { get; } = new long[count];

    public long[] Time { get; } = NoTimes(count);

    public PartitionMarks Copy()
    {
        var copy = new PartitionMarks(Next.Length);
        copy.CopyFrom(this);
        return copy;
    }

    public void CopyFrom(PartitionMarks other)
    {
        other.Next.CopyTo(Next, 0);
        other.Time.CopyTo(Time, 0);
    }

    private static long[] NoTimes(int count)
    {
        var times = new long[count];
        Array.Fill(times, NoTime);
        return times;
    }
}
