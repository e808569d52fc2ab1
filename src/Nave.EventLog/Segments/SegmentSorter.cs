using System.Buffers;
using Microsoft.Extensions.Logging;
using Nave.EventLog.Format;
using Nave.EventLog.Reading;

namespace Nave.EventLog.Segments;

/// <summary>
/// Where a log has many partitions, a reader of one would read all the others' records along with its own. So sealed
/// segments are written again in the order of partitions: the same records in frames of one partition each, in a file
/// that takes the segment's place when it is complete and synced. Used by the keeper only.
/// </summary>
internal sealed partial class SegmentSorter(
    ILogFiles files, SegmentCatalog catalog, StreamTable streams, SparePool spares, EventLogOptions options, ILogger logger)
{
    /// <summary>Frames of about this size: a few windows of a reader.</summary>
    private const int FrameBytes = 1 << 20;

    /// <summary>Runs are small pieces all over the file, which the system still has in memory.</summary>
    private const int RunWindowBytes = 16 << 10;

    private readonly HashSet<long> _damaged = [];

    /// <summary>Sorts the oldest segment that is not sorted yet, if there is one and it is worth while.</summary>
    /// <returns>What stands in its place, with its index; null when there is nothing to do.</returns>
    public Segment? SortNext(CancellationToken stopping)
    {
        if (streams.Count <= options.SortAbovePartitions
            || stopping.IsCancellationRequested
            || Array.Find(catalog.Segments[..^1], one => !one.IsSorted && !_damaged.Contains(one.Id)) is not { } segment
            || spares.RefusalFor(segment.End) is not null)
        {
            return null;
        }

        try
        {
            var sorted = Write(segment);
            catalog.Replace(segment, sorted);
            files.Delete(segment.Name, LogStep.Delete);
            files.SyncDirectory(LogStep.SyncDelete);
            Log.Sorted(logger, segment.Name);
            return sorted;
        }
        catch (LogCorruptException e)
        {
            _damaged.Add(segment.Id);
            Log.Damaged(logger, e.Message);
            return SortNext(stopping);
        }
    }

    private Segment Write(Segment segment)
    {
        using var source = files.Open(segment.Name);
        var runs = FindRuns(segment, source);
        var index = new SegmentIndex(streams.Count);
        var name = SegmentNames.Sorting(segment.Id);
        using var target = files.Create(name, LogStep.WriteSorted);
        var end = WriteRuns(segment, source, runs, target, index);
        var header = segment.Header with { SortedEnd = end, Capacity = end };
        target.Write(0, header.ToBytes(), LogStep.WriteSorted);
        target.Sync(LogStep.SyncSorted);
        files.Rename(name, SegmentNames.Sorted(segment.Id), LogStep.NameSorted);
        files.SyncDirectory(LogStep.SyncSortedName);
        return new Segment(header, segment.Marks, end) { Index = index };
    }

    private List<(long Offset, FrameRun Run)>[] FindRuns(Segment segment, ILogFile source)
    {
        var runs = new List<(long, FrameRun)>[streams.Count];
        using var window = new FileWindow(1 << 20);
        for (var offset = segment.FirstFrameOffset; offset < segment.End;)
        {
            var header = CommittedFrames.ReadHeader(window, source, segment, offset, files.Location, out var bytes);
            var at = offset + header.HeaderBytes;
            for (var i = 0; i < header.Runs; i++)
            {
                var run = FrameFormat.ReadRun(bytes, i);
                (runs[streams.Find(run.Partition)] ??= []).Add((at, run));
                at += run.Bytes;
            }

            offset += header.TotalBytes;
        }

        return runs;
    }

    private long WriteRuns(
        Segment segment, ILogFile source, List<(long Offset, FrameRun Run)>[] runs, ILogFile target, SegmentIndex index)
    {
        var marks = segment.Marks.Copy();
        var number = segment.Header.FirstFrame;
        long end = segment.FirstFrameOffset;
        var body = new ArrayBufferWriter<byte>(FrameBytes);
        using var window = new FileWindow(RunWindowBytes);
        for (var partition = 0; partition < runs.Length; partition++)
        {
            FrameRun? gathered = null;
            foreach (var (offset, run) in runs[partition] ?? [])
            {
                if (gathered is { } full && body.WrittenCount + run.Bytes > FrameBytes)
                {
                    WriteFrame(full);
                    gathered = null;
                }

                CopyRun(segment, source, window, offset, run, body);
                gathered = gathered is { } some
                    ? some with { Records = some.Records + run.Records, Bytes = some.Bytes + run.Bytes, LastTime = run.LastTime }
                    : run;
            }

            if (gathered is { } rest)
            {
                WriteFrame(rest);
            }
        }

        return end;

        void WriteFrame(FrameRun run)
        {
            var headerBytes = FrameFormat.HeaderBytes(1);
            var frame = new byte[FrameFormat.RoundUp(headerBytes + body.WrittenCount)];
            FrameFormat.WriteHeader(frame, segment.Header.Identity, number++, body.WrittenCount, [run]);
            body.WrittenSpan.CopyTo(frame.AsSpan(headerBytes));
            body.ResetWrittenCount();
            index.Note(end, marks);
            target.Write(end, frame, LogStep.WriteSorted);
            end += frame.Length;
            var partition = streams.Find(run.Partition);
            (marks.Next[partition], marks.Time[partition]) = (run.NextSequence, run.LastTime);
        }
    }

    // Nothing is copied that does not match: a damaged segment stays as it is, for its readers to hear of it.
    private void CopyRun(Segment segment, ILogFile source, FileWindow window, long offset, FrameRun run, ArrayBufferWriter<byte> target)
    {
        var bytes = window.Get(source, offset, run.Bytes, segment.End).Span;
        var rest = bytes;
        for (var i = 0; i < run.Records; i++)
        {
            var length = rest.Length < RecordFormat.HeaderBytes ? -1 : RecordFormat.ReadLength(rest);
            if (!RecordFormat.IsPlausible(length, rest.Length)
                || !RecordFormat.Matches(rest, length, run.Partition, run.FirstSequence + i))
            {
                throw CommittedFrames.Corrupt(segment, offset, files.Location, $"record {run.FirstSequence + i} of {run.Partition}");
            }

            rest = rest[(RecordFormat.HeaderBytes + length)..];
        }

        target.Write(bytes);
    }

    private static partial class Log
    {
        [LoggerMessage(6014, LogLevel.Debug, "Put {Segment} in the order of partitions")]
        public static partial void Sorted(ILogger logger, string segment);

        [LoggerMessage(6015, LogLevel.Critical, "{Message}")]
        public static partial void Damaged(ILogger logger, string message);
    }
}
