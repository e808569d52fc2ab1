using Microsoft.Extensions.Logging;
using Nave.EventLog.Format;
using Nave.EventLog.Reading;
using Nave.EventLog.Recovering;
using Nave.EventLog.Segments;
using Nave.EventLog.Writing;

namespace Nave.EventLog;

/// <summary>
/// The log in files of one directory, which it owns while it lives (whoever opens it holds the lock of the data
/// directory). Composes the parts: <c>LogWriter</c> (append, commit), <c>SegmentKeeper</c> (spare segments, retention),
/// <c>PartitionReader</c>. docs/decisions/0001-event-log.md says what a crash at each step leaves.
/// </summary>
public sealed partial class EmbeddedEventLog : IEventLog
{
    private readonly LogReading _reading;
    private readonly LogWriter _writer;
    private readonly SegmentKeeper _keeper;
    private readonly LogMeter _meter;
    private int _isClosed;

    private EmbeddedEventLog(LogReading reading, LogWriter writer, SegmentKeeper keeper, LogMeter meter)
    {
        _reading = reading;
        _writer = writer;
        _keeper = keeper;
        _meter = meter;
    }

    /// <inheritdoc/>
    public IReadOnlyList<LogStream> Streams => _reading.Streams.Named;

    /// <inheritdoc/>
    public LogPosition Committed => _writer.Committed;

    /// <inheritdoc/>
    public LogFault? Fault => _writer.Fault;

    /// <summary>What the log has done since it was opened. The same goes to the meter "Nave.EventLog".</summary>
    public LogStatistics Statistics => _meter.Sums;

    /// <summary>Size of the log's segments.</summary>
    public long TotalBytes => _reading.Catalog.TotalBytes;

    /// <summary>Opens the log, mends the end of its newest segment where a crash has torn it, and starts its threads.</summary>
    /// <exception cref="LogCorruptException">Stored bytes are not what was written; nothing was changed.</exception>
    /// <exception cref="LogOpenException">The data has another partition count, or is of a newer program.</exception>
    /// <exception cref="IOException">The directory can't be read or written.</exception>
    public static Task<EmbeddedEventLog> OpenAsync(
        EventLogOptions options, ILogFiles files, TimeProvider time, ILogger logger, CancellationToken stopping = default) =>
        Task.Run(() => Open(options, files, time, logger, skipsSync: false), stopping);

    /// <summary>
    /// The same without a sync before the acknowledgement, so not durable: to measure what the sync costs. No option
    /// leads here, only a benchmark's own code.
    /// </summary>
    public static Task<EmbeddedEventLog> OpenUnsyncedForBenchmarksAsync(
        EventLogOptions options, ILogFiles files, TimeProvider time, ILogger logger) =>
        Task.Run(() => Open(options, files, time, logger, skipsSync: true));

    /// <inheritdoc/>
    public AppendOutcome TryAppend(LogPartition partition, in RecordParts record, ICommitWaiter? waiter, out LogPosition position) =>
        _writer.TryAppend(partition, record, waiter, out position);

    /// <inheritdoc/>
    public ValueTask WaitForRoomAsync(CancellationToken stopping) => _writer.WaitForRoomAsync(stopping);

    /// <inheritdoc/>
    public ValueTask WaitForCommitAsync(LogPosition position, CancellationToken stopping) =>
        _writer.WaitForCommitAsync(position, stopping);

    /// <inheritdoc/>
    public PartitionState GetState(LogPartition partition)
    {
        var index = _reading.Streams.IndexOf(partition);
        var (next, time) = _reading.Committed.Get(index);
        return new PartitionState(
            Math.Min(_reading.Catalog.First(index), next),
            next,
            time == PartitionMarks.NoTime ? null : DateTimeOffset.FromUnixTimeMilliseconds(time));
    }

    /// <inheritdoc/>
    public async ValueTask<IPartitionReader> OpenReaderAsync(LogPartition partition, ReadFrom from, CancellationToken stopping)
    {
        stopping.ThrowIfCancellationRequested();
        var reader = new PartitionReader(_reading, _reading.Streams.IndexOf(partition));
        try
        {
            await reader.SeekAsync(from);
            return reader;
        }
        catch
        {
            reader.Dispose();
            throw;
        }
    }

    /// <summary>Refuses new records, commits and acknowledges those taken, wakes the readers, closes the files.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isClosed, 1) != 0)
        {
            return;
        }

        await Task.Run(() =>
        {
            _writer.Dispose();
            _keeper.Dispose();
            _reading.Committed.Close(new LogFault(LogFaultKind.Stopping, "The event log is closed."));
            _reading.Cold.Dispose();
            _reading.Tail.Dispose();
            _meter.Dispose();
        });
    }

    private static EmbeddedEventLog Open(EventLogOptions options, ILogFiles files, TimeProvider time, ILogger logger, bool skipsSync)
    {
        options.Validate();
        var started = time.GetTimestamp();
        var names = files.List();
        var headers = SegmentChain.Read(files, names, logger);
        IReadOnlyList<StoredStream> stored = headers.Count > 0 ? headers[^1].Streams : [];
        StreamCheck.ThrowIfChanged(options.Streams, stored, files.Location);
        var streams = new StreamTable(options.Streams, stored);
        var segments = headers.Select((header, i) => new Segment(
            header, StreamCheck.Translate(header, streams), EndOf(header, i + 1 < headers.Count ? headers[i + 1] : null))).ToList();

        var marks = new PartitionMarks(streams.Count);
        long lastFrame = 0;
        var file = segments.Count > 0 ? files.Open(segments[^1].Name) : null;
        try
        {
            if (file is not null)
            {
                using var active = new ActiveSegment(file, segments[^1], streams, files.Location, logger);
                active.Recover();
                (marks, lastFrame) = (active.Marks, active.LastFrame);
            }

            var log = Compose(options, files, time, logger, skipsSync, new Recovered(names, streams, segments, file, marks, lastFrame));
            Log.Opened(
                logger, files.Location, segments.Count, lastFrame, (long)time.GetElapsedTime(started).TotalMilliseconds);
            return log;
        }
        catch
        {
            file?.Dispose();
            throw;
        }
    }

    // The active segment's end is found by reading it.
    private static long EndOf(SegmentHeader header, SegmentHeader? next) =>
        header.SortedEnd > 0 ? header.SortedEnd : next?.PreviousEnd ?? header.Bytes;

    private static EmbeddedEventLog Compose(
        EventLogOptions options, ILogFiles files, TimeProvider time, ILogger logger, bool skipsSync, Recovered found)
    {
        var catalog = new SegmentCatalog(found.Segments, found.Streams.Count);
        var committed = new CommittedState(found.Marks);
        var tail = new TailCache(found.Streams.Count, options.TailBytes);
        var indexes = new SegmentIndexes(files, found.Streams);
        var spares = new SparePool(files, catalog, options, time, logger);
        spares.Adopt(found.Names);
        var retention = new Retention(files, catalog, committed, found.Streams, spares, options, time, logger);
        var sorter = new SegmentSorter(files, catalog, found.Streams, spares, options, logger);
        var keeper = new SegmentKeeper(files, found.Streams, spares, retention, sorter, indexes, options, time, logger);
        var appender = new SegmentAppender(files, catalog, committed, found.Streams, keeper, options, time, logger)
        {
            SkipsSync = skipsSync,
        };
        if (found.File is not null)
        {
            appender.Continue(found.Segments[^1], found.File, found.LastFrame);
        }

        if (found.Segments.Count == 0 || !found.Streams.HasSameStreams(found.Segments[^1].Header.Streams))
        {
            appender.Roll(found.LastFrame + 1, 0); // A new log, or one whose header has to name a new stream.
        }

        var meter = new LogMeter();
        var writer = new LogWriter(
            found.Streams, found.Marks, appender, new BatchPublisher(committed, tail, logger), found.LastFrame, options, time, meter);
        keeper.Start(writer);
        writer.Start();
        var reading = new LogReading(files, found.Streams, catalog, committed, tail, new ColdReads(), indexes);
        return new EmbeddedEventLog(reading, writer, keeper, meter);
    }

    /// <summary>What was found on disk.</summary>
    private sealed record Recovered(
        IReadOnlyList<string> Names, StreamTable Streams, List<Segment> Segments, ILogFile? File, PartitionMarks Marks, long LastFrame);

    private static partial class Log
    {
        [LoggerMessage(6000, LogLevel.Information, "Opened the event log in {Location}: {Segments} segments, {LastFrame} batches so far, in {Milliseconds} ms")]
        public static partial void Opened(ILogger logger, string location, int segments, long lastFrame, long milliseconds);
    }
}
