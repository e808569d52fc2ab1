using System.Buffers;

namespace Nave.EventLog;

/// <summary>
/// A partitioned, append-only, durable log. Knows nothing of what its records mean. One instance owns its directory
/// for as long as it lives. All members may be called from any thread.
/// </summary>
/// <remarks>
/// Durability: <see cref="TryAppend"/> takes a record into the open batch; the record survives a kill and a power cut
/// once <see cref="Committed"/> has passed its position, and not before. Readers never see a record before that.
/// </remarks>
public interface IEventLog : IAsyncDisposable
{
    /// <summary>The streams this log was opened with, in the order of their ids.</summary>
    IReadOnlyList<LogStream> Streams { get; }

    /// <summary>Everything at or before this position is on disk. Rises once per synced batch, never falls.</summary>
    LogPosition Committed { get; }

    /// <summary>Null while the log takes records; otherwise why it refuses them (full disk, failed sync, stopping).</summary>
    LogFault? Fault { get; }

    /// <summary>
    /// Takes one record into the open batch of this log, assigning the partition's next sequence number and its
    /// enqueued time. Copies the bytes; never waits and never blocks on the disk. Records appended by one thread to one
    /// partition keep their order.
    /// </summary>
    /// <param name="partition">Where the record goes.</param>
    /// <param name="record">The record's bytes, in parts that are written one behind the other.</param>
    /// <param name="waiter">Told once for each batch that holds a record appended with it; null when nobody waits.</param>
    /// <param name="position">The place to wait for.</param>
    /// <returns>Whether the record was taken, must wait for room (the open batch is full), or is refused.</returns>
    /// <exception cref="ArgumentOutOfRangeException">No such partition, or the record is longer than <see cref="LogLimits.MaxRecordBytes"/>.</exception>
    AppendOutcome TryAppend(LogPartition partition, in RecordParts record, ICommitWaiter? waiter, out LogPosition position);

    /// <summary>Completes when the open batch may have room again, or the log has failed.</summary>
    ValueTask WaitForRoomAsync(CancellationToken stopping);

    /// <summary>Completes when <see cref="Committed"/> has reached the position.</summary>
    /// <exception cref="LogFailedException">The batch that holds the position could not be made durable.</exception>
    ValueTask WaitForCommitAsync(LogPosition position, CancellationToken stopping);

    /// <summary>What is in a partition now, as far as it is committed.</summary>
    PartitionState GetState(LogPartition partition);

    /// <summary>
    /// Opens a reader that begins at the first record which satisfies the start position, be it there already or still
    /// to come.
    /// </summary>
    ValueTask<IPartitionReader> OpenReaderAsync(LogPartition partition, ReadFrom from, CancellationToken stopping);
}

/// <summary>Reads one partition in order. Used by one caller at a time.</summary>
public interface IPartitionReader : IDisposable
{
    /// <summary>The sequence number of the next record that this reader would deliver.</summary>
    long NextSequenceNumber { get; }

    /// <summary>
    /// Waits until at least one record is committed, then returns what can be had without waiting, up to
    /// <paramref name="maxRecords"/> records. The batch's memory is valid until it is disposed of.
    /// A reader whose place has been dropped by retention continues at the oldest record.
    /// </summary>
    /// <exception cref="LogCorruptException">A stored record does not match its checksum.</exception>
    /// <exception cref="LogFailedException">The log was closed.</exception>
    ValueTask<RecordBatch> ReadAsync(int maxRecords, CancellationToken stopping);
}

/// <summary>
/// Hears, on the log's own thread, that a batch it has records in is on disk or has failed. Must return at once.
/// One notification per batch, in the order of the batches.
/// </summary>
public interface ICommitWaiter
{
    /// <summary>Every record of this waiter at or before the position is durable.</summary>
    void OnCommitted(LogPosition committed);

    /// <summary>
    /// No record of this waiter behind the position was made durable, nor will be. The log may go on: later positions
    /// pass the failed ones, so a waiter that compares positions must take no later <see cref="OnCommitted"/> for them.
    /// </summary>
    void OnFailed(LogPosition committed, LogFault fault);
}

/// <summary>A named set of partitions with its own retention.</summary>
/// <param name="Id">Stable number of the stream on disk.</param>
/// <param name="Name">For people and for settings.</param>
/// <param name="Partitions">1 to <see cref="LogLimits.MaxPartitions"/>; fixed for the life of the data.</param>
/// <param name="Retention">How long its records are kept at least; null: as long as the log's default says.</param>
public sealed record LogStream(ushort Id, string Name, int Partitions, TimeSpan? Retention = null);

/// <summary>One partition of one stream.</summary>
public readonly record struct LogPartition(ushort Stream, ushort Partition);

/// <summary>
/// A place in the log's order of commits; comparable, opaque otherwise. All records of one batch share one position.
/// The position of a batch that failed is never used again: <see cref="IEventLog.Committed"/> may pass it later
/// without its records, which is why a failure is told to the waiters, once.
/// </summary>
public readonly record struct LogPosition(long Value) : IComparable<LogPosition>
{
    /// <inheritdoc/>
    public int CompareTo(LogPosition other) => Value.CompareTo(other.Value);

    public static bool operator <(LogPosition left, LogPosition right) => left.Value < right.Value;

    public static bool operator >(LogPosition left, LogPosition right) => left.Value > right.Value;

    public static bool operator <=(LogPosition left, LogPosition right) => left.Value <= right.Value;

    public static bool operator >=(LogPosition left, LogPosition right) => left.Value >= right.Value;
}

/// <summary>What became of an append.</summary>
public enum AppendOutcome
{
    /// <summary>In the open batch; durable once its position is committed.</summary>
    Taken,

    /// <summary>The open batch is full: wait with <see cref="IEventLog.WaitForRoomAsync"/> and try again.</summary>
    Full,

    /// <summary>The log takes nothing now: see <see cref="IEventLog.Fault"/>.</summary>
    Refused,
}

/// <summary>Why a log refuses records.</summary>
/// <param name="Kind">What class of trouble it is.</param>
/// <param name="Message">What happened, where, and how to mend it, for the operator.</param>
public sealed record LogFault(LogFaultKind Kind, string Message);

/// <summary>Classes of log trouble.</summary>
public enum LogFaultKind
{
    /// <summary>Less free space than the reserve, or the set limit is reached.</summary>
    DiskFull,

    /// <summary>A write or sync failed.</summary>
    WriteFailed,

    /// <summary>The log is being closed.</summary>
    Stopping,
}

/// <summary>A batch could not be made durable, or the log takes nothing.</summary>
public sealed class LogFailedException(LogFault fault) : IOException(fault.Message)
{
    /// <summary>Why.</summary>
    public LogFault Fault { get; } = fault;
}

/// <summary>
/// The log can't be opened as it was asked for: another partition count than the data has, or data of a newer program.
/// The message says what, where, and how to mend it. Nothing was changed on disk.
/// </summary>
public sealed class LogOpenException(string message) : IOException(message);

/// <summary>Stored bytes are not what was written. Never repaired silently; the file is kept.</summary>
public sealed class LogCorruptException(string message) : IOException(message);

/// <summary>
/// A record in up to four parts. The log copies them one behind the other; what they mean is the caller's business.
/// </summary>
public readonly ref struct RecordParts(
    ReadOnlySpan<byte> first, ReadOnlySpan<byte> second = default, ReadOnlySpan<byte> third = default, ReadOnlySequence<byte> body = default)
{
    /// <summary>First part.</summary>
    public ReadOnlySpan<byte> First { get; } = first;

    /// <summary>Second part.</summary>
    public ReadOnlySpan<byte> Second { get; } = second;

    /// <summary>Third part.</summary>
    public ReadOnlySpan<byte> Third { get; } = third;

    /// <summary>Last part, usually the payload as it lies in the receive buffer.</summary>
    public ReadOnlySequence<byte> Body { get; } = body;
}

/// <summary>A partition as its readers may see it.</summary>
/// <param name="FirstSequenceNumber">The oldest record kept; equal to <paramref name="NextSequenceNumber"/> when empty.</param>
/// <param name="NextSequenceNumber">The number that the next committed record will have; the last one is one less.</param>
/// <param name="LastEnqueuedTime">UTC time of the last record ever committed, or null when there was none.</param>
public readonly record struct PartitionState(long FirstSequenceNumber, long NextSequenceNumber, DateTimeOffset? LastEnqueuedTime)
{
    /// <summary>Whether no record is kept.</summary>
    public bool IsEmpty => FirstSequenceNumber == NextSequenceNumber;
}

/// <summary>Where a reader starts.</summary>
public readonly record struct ReadFrom
{
    private ReadFrom(ReadFromKind kind, long value)
    {
        Kind = kind;
        Value = value;
    }

    /// <summary>Which of the three kinds of start this is.</summary>
    public ReadFromKind Kind { get; }

    /// <summary>A sequence number, or UTC milliseconds since 1970.</summary>
    public long Value { get; }

    /// <summary>The oldest record kept.</summary>
    public static ReadFrom Beginning { get; } = new(ReadFromKind.SequenceNumber, 0);

    /// <summary>Only records committed after the reader was opened.</summary>
    public static ReadFrom End { get; } = new(ReadFromKind.End, 0);

    /// <summary>The first record with this sequence number or a higher one.</summary>
    public static ReadFrom Sequence(long inclusive) => new(ReadFromKind.SequenceNumber, inclusive);

    /// <summary>The first record enqueued strictly after the moment.</summary>
    public static ReadFrom After(DateTimeOffset moment) => new(ReadFromKind.EnqueuedTime, moment.ToUnixTimeMilliseconds());
}

/// <summary>Kinds of start positions.</summary>
public enum ReadFromKind
{
    /// <summary>By sequence number, inclusive.</summary>
    SequenceNumber,

    /// <summary>By enqueued time, exclusive.</summary>
    EnqueuedTime,

    /// <summary>Behind the last record.</summary>
    End,
}

/// <summary>Bounds of the log's format.</summary>
public static class LogLimits
{
    /// <summary>Partitions of a stream: design.md, "1 to 32".</summary>
    public const int MaxPartitions = 32;

    /// <summary>Streams of a log: a segment header holds 16 bytes for each partition of each.</summary>
    public const int MaxStreams = 64;

    /// <summary>The longest record: a 256 KB message with its annotations and enrichments, rounded up.</summary>
    public const int MaxRecordBytes = 1024 * 1024;
}
