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
    private TransferBatch? _batch;
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

    int IEventSink.Deliver(IReadOnlyList<LogRecord> records, in PartitionState state)
    {
        if (_hasMetrics)
        {
            WriteMetrics(state);
        }

        var delivered = 0;
        Connection.Cork();
        try
        {
            while (delivered < records.Count)
            {
                // One by one where the engine has to see each: unsettled, in several frames, or behind a shut window.
                var sent = Link.SettleOnSend ? SendTogether(records, delivered) : 0;
                if (sent == 0)
                {
                    sent = TrySend(Write, (this, records[delivered])) ? 1 : 0;
                }

                if (sent == 0)
                {
                    break;
                }

                delivered += sent;
            }
        }
        finally
        {
            Connection.Uncork();
            head.OnDelivered(delivered, BytesOf(records, delivered));
        }

        return delivered;
    }

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

    private static void Write((EventsLink Link, LogRecord Record) state, ByteBufferWriter writer) => state.Link.Write(state.Record, writer);

    private static long BytesOf(IReadOnlyList<LogRecord> records, int count)
    {
        var bytes = 0L;
        for (var i = 0; i < count; i++)
        {
            bytes += records[i].Bytes.Length;
        }

        return bytes;
    }

    private void Write(in LogRecord record, IBufferWriter<byte> writer)
    {
        if (_hasMetrics)
        {
            writer.Write(_metrics.WrittenSpan);
        }

        EventEncoding.WriteMessage(record, writer);
    }

    /// <returns>How many records from this one on have been sent; possibly none.</returns>
    private int SendTogether(IReadOnlyList<LogRecord> records, int from)
    {
        var batch = _batch ??= NewBatch();
        try
        {
            Fill(batch, records, from, from + CountSendable(records.Count - from));
            return batch.Count == 0 ? 0 : SendSettled(batch);
        }
        finally
        {
            batch.Clear(); // An idle link keeps no memory.
        }
    }

    private void Fill(TransferBatch batch, IReadOnlyList<LogRecord> records, int from, int end)
    {
        try
        {
            for (var i = from; i < end && batch.HasRoom; i++)
            {
                batch.BeginFrame();
                Write(records[i], batch);
                if (!batch.TryEndFrame())
                {
                    return;
                }
            }
        }
        catch (LogCorruptException) when (batch.Count > 0)
        {
            // What is before it goes out; the next turn meets it first.
        }
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
