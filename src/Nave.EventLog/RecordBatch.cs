namespace Nave.EventLog;

/// <summary>
/// Consecutive records of one partition. Owns the memory behind them: dispose of it when the records have been used,
/// and use none after that.
/// </summary>
public sealed class RecordBatch(IReadOnlyList<LogRecord> records, IDisposable? memory = null) : IDisposable
{
    /// <summary>The records, in sequence order; at least one.</summary>
    public IReadOnlyList<LogRecord> Records { get; } = records;

    /// <inheritdoc/>
    public void Dispose() => memory?.Dispose();
}

/// <summary>One committed record.</summary>
/// <param name="SequenceNumber">0 for the first record of a partition, then without gaps.</param>
/// <param name="EnqueuedTime">UTC milliseconds since 1970 of the append; never less than that of the record before.</param>
/// <param name="Bytes">What was appended.</param>
public readonly record struct LogRecord(long SequenceNumber, long EnqueuedTime, ReadOnlyMemory<byte> Bytes);
