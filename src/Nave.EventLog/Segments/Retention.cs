using Microsoft.Extensions.Logging;
using Nave.EventLog.Format;
using Nave.EventLog.Reading;

namespace Nave.EventLog.Segments;

/// <summary>
/// Drops whole segments from the old end, by age and by size. A stream with a shorter retention than another one is cut
/// off for its readers where its own time ends; the file goes when all streams are done with it. Used by the keeper only.
/// </summary>
internal sealed partial class Retention(
    ILogFiles files,
    SegmentCatalog catalog,
    CommittedState committed,
    StreamTable streams,
    SparePool spares,
    EventLogOptions options,
    TimeProvider time,
    ILogger logger)
{
    /// <summary>
    /// How often one segment may go on age, besides one for each that fills. design.md: "never more than one a minute on
    /// age, in case the clock jumped"; alone that would let a log grow for ever that takes more than a segment a minute.
    /// </summary>
    public static readonly TimeSpan AgeInterval = TimeSpan.FromMinutes(1);

    private readonly Queue<Segment> _dropped = new(); // Out of the log, files not deleted yet.
    private string? _recycled; // What has become of the first of them, when its new name is not durable yet.

    /// <summary>Cuts each stream by at most one segment, and drops at most one. To be called once per <see cref="AgeInterval"/> and once for each segment that fills.</summary>
    /// <returns>Whether everything in the active segment is too old, so that it should end.</returns>
    public bool ApplyAge()
    {
        var now = time.GetUtcNow();
        var segments = catalog.Segments;
        for (var stream = 0; stream < streams.Stored.Count; stream++)
        {
            TrimOldest(streams.Stored[stream], segments, now);
        }

        if (segments.Length > 1 && IsDone(segments[0], segments[1].Marks))
        {
            DropOldest("age");
        }

        return IsExpired(segments[^1], now);
    }

    /// <summary>Drops the oldest segments until the log has the size it may have.</summary>
    public void ApplySize()
    {
        while (options.RetentionBytes is { } limit && catalog.Segments.Length > 1 && catalog.TotalBytes > limit)
        {
            DropOldest("size");
        }
    }

    private void TrimOldest(StoredStream stream, Segment[] segments, DateTimeOffset now)
    {
        var oldestKept = (now - RetentionOf(stream.Id)).ToUnixTimeMilliseconds();
        var first = streams.Find(new LogPartition(stream.Id, 0));
        for (var i = 0; i < segments.Length - 1; i++)
        {
            var end = segments[i + 1].Marks;
            var newest = PartitionMarks.NoTime;
            for (var partition = first; partition < first + stream.Partitions; partition++)
            {
                if (end.Next[partition] > catalog.First(partition))
                {
                    newest = Math.Max(newest, end.Time[partition]);
                }
            }

            if (newest == PartitionMarks.NoTime)
            {
                continue; // Nothing of this stream in here that readers still see.
            }

            for (var partition = first; newest < oldestKept && partition < first + stream.Partitions; partition++)
            {
                catalog.Trim(partition, end.Next[partition]);
            }

            return;
        }
    }

    private bool IsDone(Segment segment, PartitionMarks end)
    {
        for (var partition = 0; partition < streams.Count; partition++)
        {
            if (catalog.First(partition) < end.Next[partition] && end.Next[partition] > segment.Marks.Next[partition])
            {
                return false;
            }
        }

        return true;
    }

    private bool IsExpired(Segment active, DateTimeOffset now)
    {
        if (active.End == active.FirstFrameOffset)
        {
            return false;
        }

        for (var partition = 0; partition < streams.Count; partition++)
        {
            var (next, last) = committed.Get(partition);
            if (next > active.Marks.Next[partition]
                && last >= (now - RetentionOf(streams[partition].Stream)).ToUnixTimeMilliseconds())
            {
                return false;
            }
        }

        return true;
    }

    private TimeSpan RetentionOf(ushort stream) =>
        streams.Named.FirstOrDefault(named => named.Id == stream)?.Retention ?? options.Retention;

    private void DropOldest(string reason)
    {
        var dropped = catalog.RemoveOldest();
        Log.Dropped(logger, dropped.Name, reason);
        _dropped.Enqueue(dropped);
        DeleteDropped();
    }

    // One by one and oldest first, each durable before the next, so that neither a power cut nor a failure leaves a hole.
    private void DeleteDropped()
    {
        while (_dropped.TryPeek(out var segment))
        {
            _recycled ??= spares.TryRecycle(segment);
            files.Delete(segment.Name, LogStep.Delete);
            files.Delete(SegmentNames.Segment(segment.Id), LogStep.Delete); // In case it was sorted and this is still there.
            files.Delete(SegmentNames.Index(segment.Id), LogStep.Delete);
            files.SyncDirectory(LogStep.SyncDelete);
            if (_recycled is { } name)
            {
                spares.AddRecycled(name);
                _recycled = null;
            }

            _dropped.Dequeue();
        }
    }

    private static partial class Log
    {
        [LoggerMessage(6011, LogLevel.Information, "Dropped event log segment {Segment} by {Reason}")]
        public static partial void Dropped(ILogger logger, string segment, string reason);
    }
}
