using Nave.EventLog.Format;
using Nave.EventLog.Segments;

namespace Nave.EventLog.Reading;

/// <summary>
/// A place in the segment files for one partition. Blocks on the disk; used by one thread at a time, one of
/// <see cref="ColdReads"/>. Verifies every record it hands out.
/// </summary>
internal sealed class ColdCursor(LogReading log, int partition) : IDisposable
{
    private readonly FileWindow _window = new();
    private Segment? _segment;
    private ILogFile? _file;
    private long _frameOffset; // The next frame to look at.
    private FrameRun _run; // The run being read; none left when _sequence is its end.
    private long _recordOffset;
    private long _sequence;

    /// <summary>Adds records from this sequence number on, which is committed, until the collector is full or the log ends.</summary>
    public void Read(long sequence, RecordCollector into)
    {
        if (_segment is null || _sequence != sequence || sequence >= _run.NextSequence)
        {
            SeekSequence(sequence);
        }

        var target = new Target(
            run => run.NextSequence > sequence,
            behind => behind.Next[partition] <= Math.Max(sequence, _sequence),
            index => index.FindSequence(partition, Math.Max(sequence, _sequence)));

        // One use per buffer, however many records lie in it.
        IDisposable? shared = null;
        while (!into.IsFull && (_sequence < _run.NextSequence || TryNextRun(target)))
        {
            if (_sequence < sequence)
            {
                Skip();
                continue;
            }

            var record = GetRecord(out var length);
            var lease = _window.Share();
            if (ReferenceEquals(lease, shared))
            {
                lease.Dispose(); // The collector holds it already.
            }
            else
            {
                into.Keep(shared = lease);
            }

            if (!RecordFormat.Matches(record.Span, length, _run.Partition, _sequence))
            {
                throw Corrupt();
            }

            into.Add(_sequence, RecordFormat.ReadTime(record.Span), record[RecordFormat.HeaderBytes..]);
            Advance(length);
        }
    }

    /// <summary>The sequence number of the first record later than the time; null when there is none.</summary>
    public long? FindAfter(long time)
    {
        var first = log.Catalog.First(partition);
        var target = new Target(
            run => run.LastTime > time && run.NextSequence > first,
            behind => behind.Time[partition] <= time,
            index => index.FindTime(partition, time));
        Open(log.Catalog.FindTime(partition, time), target.Find);
        while (_sequence < _run.NextSequence || TryNextRun(target))
        {
            var record = GetRecord(out var length);
            if (RecordFormat.ReadTime(record.Span) > time && _sequence >= first)
            {
                return _sequence;
            }

            Advance(length);
        }

        return null;
    }

    public void Dispose()
    {
        Close();
        _window.Dispose();
    }

    private void Close()
    {
        if (_file is not null)
        {
            _file.Dispose();
            _segment!.EndReading();
        }

        (_segment, _file) = (null, null);
    }

    private void SeekSequence(long sequence)
    {
        // Going on where the last run ended is the usual case; the rest looks the place up.
        if (_segment is null || sequence != _run.NextSequence || _sequence != sequence)
        {
            Open(log.Catalog.FindSequence(partition, sequence), index => index.FindSequence(partition, sequence));
        }
    }

    private void Open(Segment segment, Func<SegmentIndex, long> find)
    {
        while (!TryOpen(segment))
        {
            segment = log.Catalog.Current(segment); // Sorted into another file in between, or dropped.
        }

        _frameOffset = Math.Max(find(log.Indexes.Get(_segment!, _file!)), _segment!.FirstFrameOffset);
        _run = default;
        _sequence = 0;
    }

    private bool TryOpen(Segment segment)
    {
        Close();
        _window.Clear();
        if (!segment.TryBeginReading())
        {
            return false; // Dropped: the file is another segment's, or about to be.
        }

        try
        {
            (_segment, _file) = (segment, log.Files.Open(segment.Name));
            return true;
        }
        catch (FileNotFoundException) when (log.Catalog.Current(segment) != segment)
        {
            return false;
        }
        finally
        {
            if (_file is null)
            {
                segment.EndReading();
            }
        }
    }

    private bool TryNextRun(Target target)
    {
        while (true)
        {
            // The segment behind this one is asked for first: if there is one, the end of this one is final.
            var next = log.Catalog.After(_segment!);
            while (_frameOffset < _segment!.End && !(next is not null && target.IsBehind(next.Marks)))
            {
                var header = CommittedFrames.ReadHeader(_window, _file!, _segment, _frameOffset, log.Files.Location, out var bytes);
                var offset = _frameOffset + header.HeaderBytes;
                _frameOffset += header.TotalBytes;
                for (var i = 0; i < header.Runs; i++)
                {
                    var run = FrameFormat.ReadRun(bytes, i);
                    if (run.Partition == log.Streams[partition] && target.IsWanted(run))
                    {
                        (_run, _recordOffset, _sequence) = (run, offset, run.FirstSequence);
                        return true;
                    }

                    offset += run.Bytes;
                }
            }

            if (next is null)
            {
                return false;
            }

            while (!TryOpen(next))
            {
                next = log.Catalog.Current(next);
            }

            // The index of this one, too: where it is sorted, the partition's records may begin far behind the start.
            _frameOffset = Math.Max(target.Find(log.Indexes.Get(next, _file!)), next.FirstFrameOffset);
        }
    }

    private void Skip()
    {
        GetRecord(out var length);
        Advance(length);
    }

    private void Advance(int length)
    {
        _recordOffset += RecordFormat.HeaderBytes + length;
        _sequence++;
    }

    private ReadOnlyMemory<byte> GetRecord(out int length)
    {
        var header = _window.Get(_file!, _recordOffset, RecordFormat.HeaderBytes, _segment!.End);
        length = header.Length == RecordFormat.HeaderBytes ? RecordFormat.ReadLength(header.Span) : -1;
        if (!RecordFormat.IsPlausible(length, _segment.End - _recordOffset))
        {
            throw Corrupt();
        }

        var record = _window.Get(_file!, _recordOffset, RecordFormat.HeaderBytes + length, _segment.End);
        return record.Length == RecordFormat.HeaderBytes + length ? record : throw Corrupt();
    }

    private LogCorruptException Corrupt() => CommittedFrames.Corrupt(
        _segment!, _recordOffset, log.Files.Location, $"record {_sequence} of partition {_run.Partition.Partition} of stream {_run.Partition.Stream}");

    /// <summary>What is looked for, in the three places where that can be told.</summary>
    /// <param name="IsWanted">Whether a run of the partition holds it.</param>
    /// <param name="IsBehind">Whether a segment that begins with these marks begins before it or at it.</param>
    /// <param name="Find">Where in a segment to start looking.</param>
    private sealed record Target(
        Func<FrameRun, bool> IsWanted, Func<PartitionMarks, bool> IsBehind, Func<SegmentIndex, long> Find);
}
