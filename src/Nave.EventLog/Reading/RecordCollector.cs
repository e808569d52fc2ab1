namespace Nave.EventLog.Reading;

/// <summary>A batch being gathered for one reader: its records, and the buffers they lie in.</summary>
internal sealed class RecordCollector(int maxRecords, long after) : IDisposable
{
    /// <summary>Enough for one answer: a caller that asks for many big records gets them in several.</summary>
    private const int MaxBytes = 1 << 20;

    private readonly List<LogRecord> _records = [];
    private readonly List<IDisposable> _buffers = [];
    private int _bytes;

    public int Count => _records.Count;

    public bool IsFull => _records.Count >= maxRecords || _bytes >= MaxBytes;

    /// <summary>The sequence number behind the last record seen, even one that was not wanted; -1 for none.</summary>
    public long Next { get; private set; } = -1;

    /// <summary>Takes over a use of a buffer, to be released with the batch.</summary>
    public void Keep(IDisposable buffer) => _buffers.Add(buffer);

    /// <summary>Adds a record, unless it is not later than the time that the reader starts behind.</summary>
    public void Add(long sequence, long time, ReadOnlyMemory<byte> bytes)
    {
        Next = sequence + 1;
        if (time > after)
        {
            _records.Add(new LogRecord(sequence, time, bytes));
            _bytes += bytes.Length;
        }
    }

    public RecordBatch ToBatch() => new(_records, this);

    public void Dispose()
    {
        foreach (var buffer in _buffers)
        {
            buffer.Dispose();
        }

        _buffers.Clear();
    }
}
