using Nave.EventLog.Format;
using Nave.EventLog.Segments;

namespace Nave.EventLog.Reading;

/// <summary>
/// Brings the index of a sealed segment into memory when somebody reads there: from its file, or by scanning the frame
/// headers when that is missing or damaged. Keeps the last few.
/// </summary>
internal sealed class SegmentIndexes(ILogFiles files, StreamTable streams)
{
    /// <summary>With 4 partitions about 20 KB each.</summary>
    private const int MaxLoaded = 64;
    private const int MaxIndexBytes = 64 << 20;

    private readonly Lock _gate = new();
    private readonly Queue<Segment> _loaded = new();

    /// <summary>May read the disk: for the threads of <see cref="ColdReads"/>.</summary>
    public SegmentIndex Get(Segment segment, ILogFile file)
    {
        if (segment.Index is { } index)
        {
            return index;
        }

        index = TryLoad(segment) ?? Scan(segment, file);
        Hold(segment, index);
        return index;
    }

    /// <summary>Counts an index that is in memory already, because its segment has just been sealed.</summary>
    public void Hold(Segment segment, SegmentIndex index)
    {
        lock (_gate)
        {
            if (!_loaded.Contains(segment))
            {
                _loaded.Enqueue(segment);
            }

            segment.Index = index;
            if (_loaded.Count > MaxLoaded)
            {
                _loaded.Dequeue().Index = null;
            }
        }
    }

    private SegmentIndex? TryLoad(Segment segment)
    {
        try
        {
            using var file = files.Open(SegmentNames.Index(segment.Id));
            if (file.Length > MaxIndexBytes)
            {
                return null;
            }

            var bytes = new byte[file.Length];
            return file.Read(0, bytes) == bytes.Length ? SegmentIndex.TryParse(bytes, segment, streams) : null;
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    private SegmentIndex Scan(Segment segment, ILogFile file)
    {
        var index = new SegmentIndex(streams.Count);
        var marks = segment.Marks.Copy();
        using var window = new FileWindow(1 << 20);
        for (var offset = segment.FirstFrameOffset; offset < segment.End;)
        {
            var header = CommittedFrames.ReadHeader(window, file, segment, offset, files.Location, out var bytes);
            index.Note(offset, marks);
            for (var i = 0; i < header.Runs; i++)
            {
                var run = FrameFormat.ReadRun(bytes, i);
                var partition = streams.Find(run.Partition);
                if (partition >= 0)
                {
                    (marks.Next[partition], marks.Time[partition]) = (run.NextSequence, run.LastTime);
                }
            }

            offset += header.TotalBytes;
        }

        return index;
    }
}

/// <summary>Reads frame headers where the log has committed some, so that a bad one is corruption and nothing else.</summary>
internal static class CommittedFrames
{
    public static FrameHeader ReadHeader(
        FileWindow window, ILogFile file, Segment segment, long offset, string location, out ReadOnlySpan<byte> bytes)
    {
        bytes = window.Get(file, offset, FrameFormat.FixedBytes, segment.End).Span;
        var headerBytes = FrameFormat.PeekHeaderBytes(bytes, segment.Header.Identity);
        if (headerBytes > 0)
        {
            bytes = window.Get(file, offset, headerBytes, segment.End).Span;
            if (FrameFormat.TryRead(bytes, segment.Header.Identity, out var header) && offset + header.TotalBytes <= segment.End)
            {
                return header;
            }
        }

        throw Corrupt(segment, offset, location, "a batch's header");
    }

    public static LogCorruptException Corrupt(Segment segment, long offset, string location, string what) => new(
        $"{segment.Name} in {location} is damaged at offset {offset}: {what} does not match its checksum. The file is kept as it is. Check the disk; restore the file from a backup, or read on behind the damage.");
}
