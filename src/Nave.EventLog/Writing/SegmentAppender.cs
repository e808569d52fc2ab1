using Microsoft.Extensions.Logging;
using Nave.EventLog.Format;
using Nave.EventLog.Reading;
using Nave.EventLog.Segments;

namespace Nave.EventLog.Writing;

/// <summary>
/// The active segment as the commit thread writes it: one frame at a time, each synced before the next, and the step from
/// a segment to the next. Used by the commit thread only (and once before it starts).
/// </summary>
internal sealed partial class SegmentAppender(
    ILogFiles files,
    SegmentCatalog catalog,
    CommittedState committed,
    StreamTable streams,
    SegmentKeeper keeper,
    EventLogOptions options,
    TimeProvider time,
    ILogger logger) : IDisposable
{
    private Segment? _active; // Set by Continue or the first Roll, before anything else.
    private ILogFile? _file;
    private long _lastFrame;
    private long _lastId;
    private bool _isUnsure; // A write or sync has failed: what lies behind the segment's end is unknown.
    private bool _hasAskedForSpares;

    /// <summary>For benchmarks only: <see cref="EmbeddedEventLog.OpenUnsyncedForBenchmarksAsync"/>.</summary>
    public bool SkipsSync { get; init; }

    public SegmentIdentity Identity => _active!.Header.Identity;

    /// <summary>Goes on in a segment that recovery has read to its end.</summary>
    public void Continue(Segment active, ILogFile file, long lastFrame)
    {
        (_active, _file, _lastFrame) = (active, file, lastFrame);
        _lastId = active.Id;
    }

    /// <summary>Changes to the next segment if the batch has no room in this one.</summary>
    public void MakeRoom(OpenBatch batch)
    {
        var frameBytes = batch.FrameBytes;
        if (_active!.End + frameBytes > _active.Header.Capacity)
        {
            Roll(batch.Number, frameBytes);
        }
    }

    /// <summary>Returns when the frame is on disk.</summary>
    public void Write(CommittedFrame frame)
    {
        _isUnsure = true;
        _file!.Write(_active!.End, frame.Bytes, LogStep.WriteFrame);
        if (!SkipsSync)
        {
            _file.Sync(LogStep.SyncFrame);
        }

        _isUnsure = false;
        _active.Index!.Note(_active.End, committed.Marks);
        _active.End += frame.Length;
        _lastFrame = frame.Number;
        if (!_hasAskedForSpares && _active.End > _active.Header.Capacity / 4)
        {
            _hasAskedForSpares = true;
            keeper.PrepareSpares();
        }
    }

    /// <summary>
    /// Ends the active segment where its committed frames end and begins the next, whose header says so. Each try has an
    /// id of its own, so that a half-done one is recognised as nobody's predecessor and thrown away at the next start.
    /// </summary>
    public void Roll(long firstFrame, long frameBytes)
    {
        var spare = keeper.TakeSpare(frameBytes + SegmentHeader.BytesFor(streams.Stored.Count, streams.Count));
        Segment segment;
        var id = ++_lastId;
        try
        {
            var marks = committed.Copy();
            var header = new SegmentHeader
            {
                Identity = new SegmentIdentity(id, options.NewSegmentKey()),
                FirstFrame = firstFrame,
                Capacity = spare.Capacity,
                CreatedTime = time.GetUtcNow().ToUnixTimeMilliseconds(),
                PreviousId = _active?.Id ?? -1,
                PreviousEnd = _active?.End ?? 0,
                PreviousFrame = _lastFrame,
                PreviousCause = _isUnsure ? SegmentEndCause.WriteFailed : SegmentEndCause.Full,
                Streams = streams.Stored,
                Marks = marks,
            };
            segment = new Segment(header, marks, header.Bytes) { Index = new SegmentIndex(streams.Count) };
            spare.File.Write(0, header.ToBytes(), LogStep.WriteHeader);
            spare.File.Sync(LogStep.SyncHeader);
            files.Rename(spare.Name, segment.Name, LogStep.NameSegment);
            files.SyncDirectory(LogStep.SyncSegmentName);
        }
        catch
        {
            spare.File.Dispose();
            keeper.Discard(spare.Name); // Or every try of a disk that fails for an hour would leave one.
            keeper.Discard(SegmentNames.Segment(id));
            throw;
        }

        _file?.Dispose();
        _file = spare.File;
        var previous = _active;
        _active = segment;
        _isUnsure = false;
        _hasAskedForSpares = false;
        catalog.Add(segment);
        Log.Began(logger, segment.Name, firstFrame);
        if (previous is null)
        {
            return; // The first segment of a new log.
        }

        if (segment.Header.PreviousCause is SegmentEndCause.WriteFailed)
        {
            Log.WentOn(logger, segment.Name, previous.Name, previous.End);
        }

        keeper.Sealed(previous);
    }

    /// <summary>A failure of the disk in words for the operator.</summary>
    public LogFault Explain(Exception cause) => cause is LogDiskFullException
        ? new LogFault(LogFaultKind.DiskFull, cause.Message)
        : new LogFault(
            LogFaultKind.WriteFailed,
            $"The event log in {files.Location} could not be written: {cause.Message} Records that were not acknowledged are refused; the log tries to go on in a new segment every second. Check the disk.");

    public void Dispose() => _file?.Dispose();

    private static partial class Log
    {
        [LoggerMessage(6004, LogLevel.Debug, "Began event log segment {Segment} with batch {Frame}")]
        public static partial void Began(ILogger logger, string segment, long frame);

        [LoggerMessage(6001, LogLevel.Warning, "The event log goes on in {Segment}: a write or sync of {PreviousSegment} failed, which ends at offset {Offset}")]
        public static partial void WentOn(ILogger logger, string segment, string previousSegment, long offset);
    }
}
