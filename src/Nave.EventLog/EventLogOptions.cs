using System.Security.Cryptography;

namespace Nave.EventLog;

/// <summary>Settings of an embedded event log. Sizes are options so that tests can use small ones.</summary>
public sealed record EventLogOptions
{
    /// <summary>The streams to open. A stream may be added later; its partition count never changes.</summary>
    public required IReadOnlyList<LogStream> Streams { get; init; }

    /// <summary>Size of a segment file: design.md, "Segments (64 MB)".</summary>
    public long SegmentBytes { get; init; } = 64 << 20;

    /// <summary>
    /// Size of a segment that is needed at once (the first of a new log, or when none is ready ahead of time), so that
    /// zero-filling it delays neither the start nor a commit for long.
    /// </summary>
    public long QuickSegmentBytes { get; init; } = 8 << 20;

    /// <summary>At most this many spare segments lie ready; how many, follows the rate at which they are used.</summary>
    public int MaxSegmentsAhead { get; init; } = 16;

    /// <summary>How long records are kept for streams that say nothing of their own.</summary>
    public TimeSpan Retention { get; init; } = TimeSpan.FromDays(1);

    /// <summary>
    /// The size of all segments at which the oldest ones go whatever their age; null for no such size. Segments that lie
    /// ready are not counted: there are as many as a few seconds use.
    /// </summary>
    public long? RetentionBytes { get; init; }

    /// <summary>Free space that is left to the rest of the hub: below it, the log takes no records.</summary>
    public long ReserveBytes { get; init; } = 512 << 20;

    /// <summary>The log takes no records that would make it grow over this size; null for no such limit.</summary>
    public long? LimitBytes { get; init; }

    /// <summary>Size of the open batch at which appenders have to wait.</summary>
    public int BatchBytes { get; init; } = 8 << 20;

    /// <summary>Memory for the last committed batches, from which tail readers are served.</summary>
    public int TailBytes { get; init; } = 16 << 20;

    /// <summary>The longest time that a small batch may wait for company; zero for never. At most 5 ms.</summary>
    public TimeSpan MaxLinger { get; init; } = TimeSpan.FromMilliseconds(2);

    /// <summary>
    /// Source of the random key of each segment. Frames carry it, so that no payload can be made to look like a frame
    /// (<c>docs/decisions/0001-event-log.md</c>).
    /// </summary>
    public Func<ulong> NewSegmentKey { get; init; } = RandomKey;

    /// <summary>Background work (spare segments, indexes, retention) runs on the caller's thread: for replayable tests.</summary>
    internal bool WorkInline { get; init; }

    /// <summary>With more partitions than these, sealed segments are put in the order of partitions: design.md, "more than 8".</summary>
    internal int SortAbovePartitions { get; init; } = 8;

    /// <summary>Hears, on a thread of the log, when the log begins or ceases to refuse records, and why: for tests.</summary>
    internal Action<LogFault?>? FaultChanged { get; init; }

    private static ulong RandomKey()
    {
        Span<byte> key = stackalloc byte[8];
        RandomNumberGenerator.Fill(key);
        return BitConverter.ToUInt64(key);
    }

    internal void Validate()
    {
        if (Streams.Count is 0 or > LogLimits.MaxStreams)
        {
            throw new ArgumentException($"A log has 1 to {LogLimits.MaxStreams} streams, not {Streams.Count}.");
        }

        foreach (var stream in Streams)
        {
            if (stream.Partitions is < 1 or > LogLimits.MaxPartitions)
            {
                throw new ArgumentException(
                    $"Stream '{stream.Name}' has 1 to {LogLimits.MaxPartitions} partitions, not {stream.Partitions}.");
            }
        }

        if (Streams.Select(stream => stream.Id).Distinct().Count() != Streams.Count)
        {
            throw new ArgumentException("Two streams have the same id.");
        }

        ArgumentOutOfRangeException.ThrowIfGreaterThan(MaxLinger, TimeSpan.FromMilliseconds(5));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxLinger, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(BatchBytes, 1024);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(BatchBytes, 256 << 20);
        ArgumentOutOfRangeException.ThrowIfLessThan(SegmentBytes, 64 << 10);
    }
}
