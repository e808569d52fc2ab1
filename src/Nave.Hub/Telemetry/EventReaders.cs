using Nave.EventLog;

namespace Nave.Hub.Telemetry;

/// <summary>
/// The way out: reads partitions for whoever holds a place in <see cref="ReaderSlots"/>. No thread and no timer per
/// reader; an idle reader is one pending wait on the log. Knows no protocol.
/// </summary>
internal sealed class EventReaders
{
    // One read's worth; enough to fill a window of the log with small events, few enough to stop soon after a displacement.
    private const int MaxBatch = 512;

    private readonly IEventLog _log;
    private readonly LogStream _stream;

    /// <summary>Readers of telemetry.</summary>
    public EventReaders(IEventLog log, TelemetryStreams streams)
        : this(log, streams.Telemetry) => Operations = new EventReaders(log, streams.Operations);

    private EventReaders(IEventLog log, LogStream stream)
    {
        _log = log;
        _stream = stream;
        Operations = this;
    }

    /// <summary>Readers of operations monitoring.</summary>
    public EventReaders Operations { get; }

    /// <summary>Places of all readers.</summary>
    public ReaderSlots Slots { get; } = new();

    /// <summary>Partitions of the stream.</summary>
    public int Partitions => _stream.Partitions;

    /// <summary>The partition of that number, or null when there is none.</summary>
    public LogPartition? Find(int number) =>
        number >= 0 && number < Partitions ? new LogPartition(_stream.Id, (ushort)number) : null;

    /// <summary>What is in a partition now.</summary>
    public PartitionState GetState(LogPartition partition) => _log.GetState(partition);

    /// <summary>Reads from the place on, as the sink demands, until told to stop.</summary>
    /// <exception cref="LogCorruptException">A stored event is not what was written.</exception>
    public async Task RunAsync(LogPartition partition, ReadFrom from, IEventSink sink, CancellationToken stopping)
    {
        var reader = await _log.OpenReaderAsync(partition, from, stopping);
        try
        {
            while (!stopping.IsCancellationRequested)
            {
                if (reader.NextSequenceNumber >= _log.GetState(partition).NextSequenceNumber)
                {
                    sink.OnCaughtUp();
                }
                else
                {
                    sink.OnReading();
                }

                var demand = sink.Demand;
                if (demand <= 0)
                {
                    await sink.WaitForDemandAsync(stopping);
                    continue;
                }

                var refusedAt = -1L;
                using (var batch = await reader.ReadAsync(Math.Min(demand, MaxBatch), stopping))
                {
                    sink.OnReading();
                    var taken = sink.Deliver(batch.Records, _log.GetState(partition));
                    refusedAt = taken < batch.Records.Count ? batch.Records[taken].SequenceNumber : -1;
                }

                if (refusedAt >= 0 && !stopping.IsCancellationRequested)
                {
                    // The demand went away during the wait. Not kept in hand: the batch's memory would wait with it.
                    reader.Dispose();
                    reader = await _log.OpenReaderAsync(partition, ReadFrom.Sequence(refusedAt), stopping);
                }
            }
        }
        finally
        {
            reader.Dispose();
        }
    }
}
