using Nave.EventLog.Format;
using Nave.EventLog.Segments;

namespace Nave.EventLog.Reading;

/// <summary>
/// One reader of one partition. Near the end it is served from memory; further back it reads windows of the segment
/// files on the threads of <see cref="ColdReads"/>, skipping other partitions' runs in memory.
/// </summary>
internal sealed class PartitionReader(LogReading log, int partition) : IPartitionReader
{
    private readonly ColdCursor _cursor = new(log, partition);
    private TailPlace _place;
    private long _after = PartitionMarks.NoTime;

    /// <inheritdoc/>
    public long NextSequenceNumber { get; private set; }

    /// <summary>Goes to where the reader is to begin. Called once, before it is handed out.</summary>
    public async ValueTask SeekAsync(ReadFrom from)
    {
        switch (from.Kind)
        {
            case ReadFromKind.End:
                NextSequenceNumber = log.Committed.Next(partition);
                break;
            case ReadFromKind.SequenceNumber:
                NextSequenceNumber = Math.Max(from.Value, log.Catalog.First(partition));
                break;
            case ReadFromKind.EnqueuedTime:
                _after = from.Value;
                NextSequenceNumber = log.Committed.Next(partition);
                if (log.Committed.Get(partition).Time > _after && NextSequenceNumber > log.Catalog.First(partition))
                {
                    await log.Cold.RunAsync(() => NextSequenceNumber = _cursor.FindAfter(_after) ?? NextSequenceNumber);
                }

                break;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<RecordBatch> ReadAsync(int maxRecords, CancellationToken stopping)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRecords, 1);
        while (true)
        {
            await log.Committed.WaitAsync(partition, NextSequenceNumber, stopping);
            NextSequenceNumber = Math.Max(NextSequenceNumber, log.Catalog.First(partition));
            if (NextSequenceNumber >= log.Committed.Next(partition))
            {
                continue; // Retention has emptied the partition.
            }

            var records = new RecordCollector(maxRecords, _after);
            try
            {
                log.Tail.Read(partition, NextSequenceNumber, records, ref _place);
                if (records.Next < 0)
                {
                    await log.Cold.RunAsync(() => _cursor.Read(NextSequenceNumber, records));
                    ThrowIfMissing(records);
                }
            }
            catch
            {
                records.Dispose();
                throw;
            }

            NextSequenceNumber = Math.Max(NextSequenceNumber, records.Next);
            if (records.Count > 0)
            {
                _after = PartitionMarks.NoTime; // Times only rise: the rest is later too.
                return records.ToBatch();
            }

            records.Dispose();
        }
    }

    // What is committed and not dropped must be in the files.
    private void ThrowIfMissing(RecordCollector records)
    {
        if (records.Next < 0 && NextSequenceNumber >= log.Catalog.First(partition))
        {
            throw new LogCorruptException(
                $"Record {NextSequenceNumber} of {log.Streams[partition]} is not in the segments in {log.Files.Location} although it was committed. Check the disk; restore the directory from a backup.");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _cursor.Dispose();
}

/// <summary>What readers share.</summary>
internal sealed record LogReading(
    ILogFiles Files,
    StreamTable Streams,
    SegmentCatalog Catalog,
    CommittedState Committed,
    TailCache Tail,
    ColdReads Cold,
    SegmentIndexes Indexes);
