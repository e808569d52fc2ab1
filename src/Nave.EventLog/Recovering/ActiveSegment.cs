using System.Buffers.Binary;
using Microsoft.Extensions.Logging;
using Nave.EventLog.Format;
using Nave.EventLog.Reading;
using Nave.EventLog.Segments;

namespace Nave.EventLog.Recovering;

/// <summary>
/// Reads the newest segment to its end at the start of the log, and mends what a kill or power cut may leave there: one
/// frame that was not acknowledged. Anything else that does not match is corruption and is left alone.
/// </summary>
internal sealed partial class ActiveSegment(ILogFile file, Segment segment, StreamTable streams, string location, ILogger logger) : IDisposable
{
    // Room for a whole frame, so that its checksums are computed from one span.
    private const int WindowBytes = 1 << 20;

    private readonly FileWindow _window = new(WindowBytes);
    private readonly long _limit = Math.Min(segment.Header.Capacity, file.Length);
    private long _lastOffset = -1;
    private long _lastBytes;

    /// <summary>The state of all partitions behind the last whole frame.</summary>
    public PartitionMarks Marks { get; } = segment.Marks.Copy();

    public long LastFrame { get; private set; } = segment.Header.FirstFrame - 1;

    /// <summary>Leaves <see cref="Segment.End"/>, the index, <see cref="Marks"/> and <see cref="LastFrame"/> as they are now.</summary>
    /// <exception cref="LogCorruptException">There is a bad frame with a whole one behind it.</exception>
    public void Recover()
    {
        segment.Index = new SegmentIndex(streams.Count);
        var offset = segment.FirstFrameOffset;
        while (TryReadWhole(offset, out var frame, out var header))
        {
            if (header.Number != LastFrame + 1)
            {
                throw new LogCorruptException(
                    $"{segment.Name} in {location} has frame {header.Number} at offset {offset}, where frame {LastFrame + 1} belongs. Nothing was changed. Restore the file from a backup.");
            }

            segment.Index.Note(offset, Marks);
            Apply(frame, header, offset);
            LastFrame = header.Number;
            (_lastOffset, _lastBytes) = (offset, header.TotalBytes);
            offset += header.TotalBytes;
        }

        segment.End = offset;
        Mend(FindTornEnd(offset));
    }

    public void Dispose() => _window.Dispose();

    // Frame k+1 is written only after the sync of frame k: so a bad frame is torn only if it is the last. What lies behind
    // it may be of an earlier life of the file, whose frames have another key.
    private long FindTornEnd(long badOffset)
    {
        for (var offset = badOffset; offset < _limit; offset += FrameFormat.SectorBytes)
        {
            var sector = _window.Get(file, offset, FrameFormat.SectorBytes, _limit).Span;
            if (sector.Length >= 4 && BinaryPrimitives.ReadUInt32LittleEndian(sector) == FrameFormat.Magic
                && offset > badOffset && TryReadWhole(offset, out _, out var later))
            {
                throw new LogCorruptException(
                    $"{segment.Name} in {location} is damaged at offset {badOffset}, in frame {LastFrame + 1}: it does not match its checksums, and frame {later.Number} behind it is whole, so this is not the end of an interrupted write. Nothing was changed. Check the disk; restore the file from a backup, or move the log's directory away to go on with an empty log.");
            }
        }

        // A frame without its first sector is none: nothing of it is ever looked at, and the next frame is written over it.
        var headerBytes = FrameFormat.PeekHeaderBytes(_window.Get(file, badOffset, FrameFormat.FixedBytes, _limit).Span, segment.Header.Identity);
        if (headerBytes == 0)
        {
            return badOffset;
        }

        var isReadable = FrameFormat.TryRead(_window.Get(file, badOffset, headerBytes, _limit).Span, segment.Header.Identity, out var torn);
        return Math.Min(_limit, badOffset + (isReadable ? torn.TotalBytes : FrameFormat.RoundUp(headerBytes)));
    }

    // The last whole frame is the only one in doubt: it may have been read from memory that never reached the disk.
    private void Mend(long tornEnd)
    {
        if (tornEnd > segment.End)
        {
            Log.Cut(logger, segment.Name, tornEnd - segment.End, segment.End);
            file.Zero(segment.End, tornEnd - segment.End, LogStep.ZeroTail);
        }

        if (_lastOffset >= 0)
        {
            var frame = _window.Get(file, _lastOffset, (int)_lastBytes, _limit);
            file.Write(_lastOffset, frame.Span, LogStep.RewriteFrame);
        }

        if (_lastOffset >= 0 || tornEnd > segment.End)
        {
            file.Sync(LogStep.SyncRecovery);
        }
    }

    private bool TryReadWhole(long offset, out ReadOnlySpan<byte> frame, out FrameHeader header)
    {
        header = default;
        frame = _window.Get(file, offset, FrameFormat.FixedBytes, _limit).Span;
        var headerBytes = FrameFormat.PeekHeaderBytes(frame, segment.Header.Identity);
        if (headerBytes == 0
            || !FrameFormat.TryRead(_window.Get(file, offset, headerBytes, _limit).Span, segment.Header.Identity, out header)
            || offset + header.TotalBytes > _limit)
        {
            return false;
        }

        frame = _window.Get(file, offset, (int)header.TotalBytes, _limit).Span;
        return FrameFormat.IsWhole(frame, header);
    }

    private void Apply(ReadOnlySpan<byte> frame, in FrameHeader header, long offset)
    {
        for (var i = 0; i < header.Runs; i++)
        {
            var run = FrameFormat.ReadRun(frame, i);
            var partition = streams.Find(run.Partition);
            if (partition < 0 || run.FirstSequence != Marks.Next[partition] || run.FirstTime < Marks.Time[partition])
            {
                throw new LogCorruptException(
                    $"Frame {header.Number} at offset {offset} of {segment.Name} in {location} does not continue the one before: record {run.FirstSequence} of {run.Partition} follows record {(partition < 0 ? -1 : Marks.Next[partition] - 1)}. Nothing was changed. Restore the directory from a backup.");
            }

            (Marks.Next[partition], Marks.Time[partition]) = (run.NextSequence, run.LastTime);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(6021, LogLevel.Information, "{Segment} ended in a batch that was never acknowledged: cut {Bytes} bytes at offset {Offset}")]
        public static partial void Cut(ILogger logger, string segment, long bytes, long offset);
    }
}
