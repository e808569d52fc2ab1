using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;
using Nave.EventLog;
using Nave.Hub.Telemetry;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// One partition receiver: takes events from the reader of <see cref="EventReaders"/> as far as its credit goes, and
/// writes them as they lie in the log. Outcomes are ignored: the reader keeps its own place.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The reader's loop disposes of the source when it ends.")]
internal sealed partial class EventsLink(LinkRequest request, AmqpHead head, EventReaders readers, IReadOnlyList<string> paths)
    : OutgoingLink(request), IEventSink, IGrantedLink
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly ArrayBufferWriter<byte> _metrics = new(128);
    private LogPartition _partition;
    private string _group = "";
    private ReaderSlot? _slot;
    private bool _hasMetrics;
    private int _isOver;
    private Task? _reading;
    private Task? _cancelling;

    public AccessRights Right => AccessRights.ServiceConnect;

    public IReadOnlyList<string> Paths => paths;

    /// <summary>The place that the link gives back when it ends.</summary>
    /// <param name="partition">What is read.</param>
    /// <param name="group">For whom.</param>
    /// <param name="slot">The place.</param>
    /// <param name="hasMetrics">Whether each event says how far the partition has come (spec/events-endpoint.md 3.3).</param>
    public void Prepare(LogPartition partition, string group, ReaderSlot slot, bool hasMetrics)
    {
        _partition = partition;
        _group = group;
        _slot = slot;
        _hasMetrics = hasMetrics;
    }

    /// <summary>Begins to read.</summary>
    public void Start(ReadFrom from) => _reading = ReadAsync(from);

    void IGrantedLink.Detach(HubFailure failure) => Detach(LinkRequest.ToError(failure));

    void IEventSink.BeginBatch(in PartitionState state)
    {
        if (_hasMetrics)
        {
            WriteMetrics(state);
        }

        Connection.Cork();
    }

    bool IEventSink.TryDeliver(in LogRecord record)
    {
        if (!TrySend(Write, (this, record)))
        {
            return false;
        }

        head.OnDelivered(record.Bytes.Length);
        return true;
    }

    void IEventSink.EndBatch() => Connection.Uncork();

    void IEventSink.OnCaughtUp() => MarkCaughtUp();

    void IEventSink.OnReading() => MarkReading();

    protected override void OnClosed()
    {
        if (Interlocked.Exchange(ref _isOver, 1) == 1)
        {
            return;
        }

        // At once, so that the peer's next attach finds the place free; only leaf locks are taken here.
        if (_slot is { } slot)
        {
            readers.Slots.Leave(_partition, _group, slot);
        }

        Connection.Grants.Leave(this);
        _cancelling = _stopping.CancelAsync(); // Not here: the engine may hold its locks.
    }

    private static void Write((EventsLink Link, LogRecord Record) state, ByteBufferWriter writer)
    {
        if (state.Link._hasMetrics)
        {
            writer.Write(state.Link._metrics.WrittenSpan);
        }

        EventEncoding.WriteMessage(state.Record, writer);
    }

    private async Task ReadAsync(ReadFrom from)
    {
        await Task.Yield(); // Not on the connection's read loop: opening may have to look into a file.
        try
        {
            await readers.RunAsync(_partition, from, this, _stopping.Token);
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // The link has ended.
        }
        catch (Exception e)
        {
            Log.ReadFailed(head.Logger, e, _partition.Partition);
            Detach(LinkRequest.ToError(HubFailures.ServerError));
        }

        OnClosed();
        if (_cancelling is { } cancelling)
        {
            await cancelling;
        }

        _stopping.Dispose();
    }

    private void WriteMetrics(in PartitionState state)
    {
        _metrics.ResetWrittenCount();
        var body = new ArrayBufferWriter<byte>(160);
        Span<byte> number = stackalloc byte[32];
        AmqpWriter.Symbol(body, "last_enqueued_sequence_number");
        body.Write(number[..AmqpWriter.Long(number, state.NextSequenceNumber - 1)]);
        AmqpWriter.Symbol(body, "last_enqueued_offset");
        body.Write(number[..AmqpWriter.DecimalString(number, state.NextSequenceNumber - 1)]);
        AmqpWriter.Symbol(body, "last_enqueued_time_utc");
        AmqpWriter.Timestamp(body, (state.LastEnqueuedTime ?? DateTimeOffset.UnixEpoch).ToUnixTimeMilliseconds());
        AmqpWriter.Symbol(body, "runtime_info_retrieval_time_utc");
        AmqpWriter.Timestamp(body, head.Time.GetUtcNow().ToUnixTimeMilliseconds());
        AmqpWriter.MapSection(_metrics, 0x71, 8, body.WrittenCount);
        _metrics.Write(body.WrittenSpan);
    }

    private static partial class Log
    {
        [LoggerMessage(2220, LogLevel.Error, "Partition {Partition} could not be read")]
        public static partial void ReadFailed(ILogger logger, Exception exception, int partition);
    }
}
