using Microsoft.Extensions.Logging;
using Nave.EventLog.Format;
using Nave.EventLog.Reading;
using Nave.EventLog.Writing;

namespace Nave.EventLog.Segments;

/// <summary>
/// The log's background work on files, on a thread of its own: spare segments, indexes of sealed ones, retention, and a
/// look at the free space each second. None of it is needed for correctness; whatever fails is tried again later.
/// </summary>
internal sealed partial class SegmentKeeper : IDisposable
{
    private static readonly TimeSpan TickInterval = TimeSpan.FromSeconds(1);

    private readonly ILogFiles _files;
    private readonly StreamTable _streams;
    private readonly SparePool _spares;
    private readonly Retention _retention;
    private readonly SegmentSorter _sorter;
    private readonly SegmentIndexes _indexes;
    private readonly EventLogOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private readonly Lock _working = new();
    private readonly Queue<Action> _work = new();
    private readonly SemaphoreSlim _available = new(0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly Thread? _thread;
    private ITimer? _timer;
    private LogWriter? _writer;
    private long _lastAge;
    private bool _isFull;
    private bool _isSortDue;

    public SegmentKeeper(
        ILogFiles files,
        StreamTable streams,
        SparePool spares,
        Retention retention,
        SegmentSorter sorter,
        SegmentIndexes indexes,
        EventLogOptions options,
        TimeProvider time,
        ILogger logger)
    {
        _files = files;
        _streams = streams;
        _spares = spares;
        _retention = retention;
        _sorter = sorter;
        _indexes = indexes;
        _options = options;
        _time = time;
        _logger = logger;
        _lastAge = time.GetTimestamp();
        _thread = options.WorkInline ? null : new Thread(Run) { IsBackground = true, Name = "log-keeper" };
    }

    public void Start(LogWriter writer)
    {
        _writer = writer;
        CheckSpace();
        _thread?.Start();
        Post(AskToSort);
        _timer = _time.CreateTimer(_ => Post(Tick), null, TickInterval, TickInterval);
    }

    /// <summary>A file for the commit thread to go on in.</summary>
    public SpareSegment TakeSpare(long minBytes) => _spares.Take(minBytes);

    /// <summary>Deletes what a step that failed has left, if the disk lets it.</summary>
    public void Discard(string name) => _spares.Discard(name);

    public void PrepareSpares() => Post(() => _spares.Fill(_stopping.Token));

    /// <summary>A segment is complete: its index is stored, and the oldest ones may have to go.</summary>
    public void Sealed(Segment segment)
    {
        if (segment.Index is { } index)
        {
            _indexes.Hold(segment, index);
            Post(() => StoreIndex(segment, index));
        }

        Post(_retention.ApplySize);
        if (segment.End >= _options.QuickSegmentBytes / 2)
        {
            Post(() => _retention.ApplyAge()); // One has filled, one may go: a minute alone would not keep up with a fast log.
        }

        PrepareSpares();
        Post(AskToSort);
    }

    public void Dispose()
    {
        _timer?.Dispose();
        lock (_gate)
        {
            _stopping.Cancel();
        }

        _available.Release();
        if (_thread is { IsAlive: true })
        {
            _thread.Join();
        }

        _spares.Dispose();
        _stopping.Dispose();
        _available.Dispose();
    }

    // One segment, then whatever has come meanwhile, then the next: spares must not wait for a backlog.
    private void AskToSort()
    {
        if (!_isSortDue)
        {
            _isSortDue = true;
            Post(Sort);
        }
    }

    private void Sort()
    {
        _isSortDue = false;
        if (_sorter.SortNext(_stopping.Token) is { } sorted)
        {
            StoreIndex(sorted, sorted.Index!);
            _indexes.Hold(sorted, sorted.Index!);
            AskToSort();
        }
    }

    private void Tick()
    {
        CheckSpace();
        _writer!.Retry();
        if (_time.GetElapsedTime(_lastAge) >= Retention.AgeInterval)
        {
            _lastAge = _time.GetTimestamp();
            if (_retention.ApplyAge())
            {
                _writer.EndSegment();
            }
        }
    }

    private void CheckSpace()
    {
        // Some hysteresis: a disk that hovers at the mark must not open and close the log every second.
        var refusal = _spares.RefusalFor(_isFull ? _options.QuickSegmentBytes : 0);
        if (refusal is not null && !_isFull)
        {
            Log.Full(_logger, refusal);
        }

        _isFull = refusal is not null;
        _writer!.SetSpaceFault(refusal is null ? null : new LogFault(LogFaultKind.DiskFull, refusal));
    }

    private void StoreIndex(Segment segment, SegmentIndex index)
    {
        using var file = _files.Create(SegmentNames.Index(segment.Id), LogStep.WriteIndex);
        file.Write(0, index.ToBytes(segment, _streams.Stored), LogStep.WriteIndex);
    }

    private void Post(Action work)
    {
        if (_thread is null)
        {
            lock (_working)
            {
                Do(work);
            }

            return;
        }

        lock (_gate)
        {
            if (_stopping.IsCancellationRequested)
            {
                return;
            }

            _work.Enqueue(work);
            _available.Release();
        }
    }

    private void Run()
    {
        while (true)
        {
            _available.Wait();
            Action? work;
            lock (_gate)
            {
                if (_stopping.IsCancellationRequested || !_work.TryDequeue(out work))
                {
                    return;
                }
            }

            Do(work);
        }
    }

    private void Do(Action work)
    {
        try
        {
            work();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.WorkFailed(_logger, e);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(6012, LogLevel.Warning, "{Refusal}")]
        public static partial void Full(ILogger logger, string refusal);

        [LoggerMessage(6013, LogLevel.Warning, "Background work of the event log failed; it is tried again later")]
        public static partial void WorkFailed(ILogger logger, Exception exception);
    }
}
