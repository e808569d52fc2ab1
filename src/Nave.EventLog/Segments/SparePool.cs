using Microsoft.Extensions.Logging;

namespace Nave.EventLog.Segments;

/// <summary>
/// Synced files that wait to become segments, so that a commit never waits for 64 MB of zeros and its sync journals no
/// metadata: segments that retention has dropped, as long as there are such (zeros cost the disk as much as the frames
/// that take their place), else filled with zeros. Made by the keeper, taken by the commit thread. Watches over the space
/// that the log may take.
/// </summary>
internal sealed partial class SparePool(ILogFiles files, SegmentCatalog catalog, EventLogOptions options, TimeProvider time, ILogger logger)
    : IDisposable
{
    /// <summary>Zeros are written in pieces, so that a stopping log waits for one of them at most.</summary>
    private const long PieceBytes = 8 << 20;

    /// <summary>Far longer than a spare takes to fill. Each costs its bytes twice, so no more lie ready than are soon needed.</summary>
    private static readonly TimeSpan RateWindow = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly Queue<SpareSegment> _ready = new();
    private readonly Queue<long> _taken = new(); // When, within the window.
    private long _lastNumber;

    public long Bytes
    {
        get
        {
            lock (_gate)
            {
                return _ready.Sum(spare => spare.Capacity);
            }
        }
    }

    /// <summary>Takes over what an earlier run has left; what was not finished is deleted.</summary>
    public void Adopt(IReadOnlyList<string> names)
    {
        foreach (var name in names)
        {
            if (SegmentNames.TryParse(name, SegmentNames.FillingSuffix, out _))
            {
                files.Delete(name, LogStep.Delete);
            }
            else if (SegmentNames.TryParse(name, SegmentNames.SpareSuffix, out var number))
            {
                _lastNumber = Math.Max(_lastNumber, number);
                var file = files.Open(name);
                if (file.Length == options.SegmentBytes && _ready.Count < options.MaxSegmentsAhead)
                {
                    _ready.Enqueue(new SpareSegment(file, name, file.Length));
                }
                else
                {
                    file.Dispose();
                    files.Delete(name, LogStep.Delete);
                }
            }
        }
    }

    /// <summary>A spare of at least this size: one that lies ready, or a small one made on the spot.</summary>
    /// <exception cref="LogDiskFullException">There is none, and making one would leave less than the reserve.</exception>
    public SpareSegment Take(long minBytes)
    {
        lock (_gate)
        {
            if (catalog.Segments.Length > 0) // A new log's first segment says nothing about its rate.
            {
                _taken.Enqueue(time.GetTimestamp());
            }

            if (_ready.TryPeek(out var spare) && spare.Capacity >= minBytes)
            {
                return _ready.Dequeue();
            }
        }

        var size = Math.Max(minBytes, Math.Min(options.QuickSegmentBytes, options.SegmentBytes));
        return RefusalFor(size) is { } refusal
            ? throw new LogDiskFullException(refusal)
            : Create((size + 4095) & -4096, CancellationToken.None) ?? throw new IOException("Interrupted.");
    }

    /// <summary>Makes as many spares as the last seconds have used, and one more.</summary>
    public void Fill(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested && Missing() && RefusalFor(options.SegmentBytes) is null)
        {
            if (Create(options.SegmentBytes, stopping) is { } spare)
            {
                lock (_gate)
                {
                    _ready.Enqueue(spare);
                }

                Log.Prepared(logger, spare.Name, spare.Capacity);
            }
        }
    }

    /// <summary>
    /// Gives a segment that has been dropped the name of a spare, if one is missing and nobody reads the segment. Its
    /// frames carry the key of their segment, so that the next one to have the file does not take them for its own.
    /// </summary>
    /// <returns>The name, for <see cref="AddRecycled"/>, which must wait for the directory's sync.</returns>
    public string? TryRecycle(Segment segment)
    {
        if (segment.IsSorted || segment.Header.Capacity != options.SegmentBytes || !Missing()
            || RefusalFor(0) is not null || !segment.TryRetire())
        {
            return null;
        }

        var name = SegmentNames.Spare(Interlocked.Increment(ref _lastNumber));
        files.Rename(segment.Name, name, LogStep.RecycleSegment);
        return name;
    }

    /// <summary>The file's new name is durable: it may be written over.</summary>
    public void AddRecycled(string name)
    {
        var file = files.Open(name);
        lock (_gate)
        {
            _ready.Enqueue(new SpareSegment(file, name, file.Length));
        }

        Log.Recycled(logger, name);
    }

    /// <summary>Why a file of this size may not be made now; null when it may.</summary>
    public string? RefusalFor(long size)
    {
        var free = files.FreeBytes;
        if (free - size < options.ReserveBytes)
        {
            return $"The disk of {files.Location} has {Megabytes(free)} MB free; {Megabytes(options.ReserveBytes)} MB are kept in reserve, so the event log takes no records. Free some space, or shorten the retention.";
        }

        var used = catalog.TotalBytes + Bytes;
        return options.LimitBytes is { } limit && used + size > limit
            ? $"The event log in {files.Location} has reached its limit: {Megabytes(used)} of {Megabytes(limit)} MB. Raise the limit, or shorten the retention."
            : null;
    }

    /// <summary>Deletes a file if the disk lets it: what has failed before is what is reported.</summary>
    public void Discard(string name)
    {
        try
        {
            files.Delete(name, LogStep.Delete);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It is deleted at the next start.
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            foreach (var spare in _ready)
            {
                spare.File.Dispose();
            }

            _ready.Clear();
        }
    }

    private static long Megabytes(long bytes) => bytes >> 20;

    private bool Missing()
    {
        lock (_gate)
        {
            while (_taken.TryPeek(out var when) && time.GetElapsedTime(when) > RateWindow)
            {
                _taken.Dequeue();
            }

            return _ready.Count < Math.Min(_taken.Count + 1, options.MaxSegmentsAhead);
        }
    }

    private SpareSegment? Create(long size, CancellationToken stopping)
    {
        var number = Interlocked.Increment(ref _lastNumber);
        var filling = SegmentNames.Filling(number);
        var file = files.Create(filling, LogStep.CreateSpare);
        try
        {
            for (long offset = 0; offset < size; offset += PieceBytes)
            {
                if (stopping.IsCancellationRequested)
                {
                    file.Dispose();
                    files.Delete(filling, LogStep.Delete);
                    return null;
                }

                file.Zero(offset, Math.Min(PieceBytes, size - offset), LogStep.FillSpare);
            }

            file.Sync(LogStep.SyncSpare);
            files.Rename(filling, SegmentNames.Spare(number), LogStep.RenameSpare);
            return new SpareSegment(file, SegmentNames.Spare(number), size);
        }
        catch
        {
            file.Dispose();
            Discard(filling);
            throw;
        }
    }

    private static partial class Log
    {
        [LoggerMessage(6010, LogLevel.Debug, "Prepared event log segment {Segment} of {Bytes} bytes")]
        public static partial void Prepared(ILogger logger, string segment, long bytes);

        [LoggerMessage(6016, LogLevel.Debug, "The file of a dropped event log segment is to be used again: {Segment}")]
        public static partial void Recycled(ILogger logger, string segment);
    }
}

/// <summary>A file that is to become a segment.</summary>
internal sealed record SpareSegment(ILogFile File, string Name, long Capacity);
