using System.Diagnostics.Metrics;

namespace Nave.EventLog.Writing;

/// <summary>The log's figures: the meter <see cref="MeterName"/>, fed once a batch, and the same sums for whoever asks.</summary>
internal sealed class LogMeter : IDisposable
{
    public const string MeterName = "Nave.EventLog";

    private readonly Meter _meter = new(MeterName);
    private readonly Counter<long> _records;
    private readonly Counter<long> _bytes;
    private readonly Counter<long> _syncs;
    private readonly Counter<long> _failures;
    private readonly Histogram<int> _batchRecords;
    private readonly Histogram<int> _batchBytes;
    private readonly Histogram<double> _commitSeconds;
    private long _sumRecords;
    private long _sumBytes;
    private long _sumSyncs;
    private long _sumFailures;

    public LogMeter()
    {
        _records = _meter.CreateCounter<long>("nave.eventlog.records", "{record}", "Records committed.");
        _bytes = _meter.CreateCounter<long>("nave.eventlog.bytes", "By", "Bytes written, headers and padding included.");
        _syncs = _meter.CreateCounter<long>("nave.eventlog.syncs", "{sync}", "Batches made durable.");
        _failures = _meter.CreateCounter<long>("nave.eventlog.failures", "{failure}", "Batches refused because a write or sync failed.");
        _batchRecords = _meter.CreateHistogram<int>("nave.eventlog.batch.records", "{record}", "Records of a batch.");
        _batchBytes = _meter.CreateHistogram<int>("nave.eventlog.batch.bytes", "By", "Size of a batch as written.");
        _commitSeconds = _meter.CreateHistogram<double>("nave.eventlog.commit.duration", "s", "Write and sync of a batch.");
    }

    /// <summary>Exact for the commit thread, otherwise the state of some recent batch.</summary>
    public LogStatistics Sums => new(
        Volatile.Read(ref _sumRecords), Volatile.Read(ref _sumBytes), Volatile.Read(ref _sumSyncs), Volatile.Read(ref _sumFailures));

    public void Committed(int records, int bytes, TimeSpan duration)
    {
        _records.Add(records);
        _bytes.Add(bytes);
        _syncs.Add(1);
        _batchRecords.Record(records);
        _batchBytes.Record(bytes);
        _commitSeconds.Record(duration.TotalSeconds);
        Volatile.Write(ref _sumRecords, _sumRecords + records);
        Volatile.Write(ref _sumBytes, _sumBytes + bytes);
        Volatile.Write(ref _sumSyncs, _sumSyncs + 1);
    }

    public void Failed()
    {
        _failures.Add(1);
        Volatile.Write(ref _sumFailures, _sumFailures + 1);
    }

    public void Dispose() => _meter.Dispose();
}
