using System.Buffers;
using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Nave.EventLog;
using Nave.Hub.Telemetry;
using Nave.Protocol.Messages;

namespace Nave.Hub.Monitoring;

/// <summary>
/// Operations monitoring: events in the service's schema, in a stream of their own (spec/messaging-semantics.md 6). Never
/// in anybody's way: who tells puts a record into a bounded queue and goes on; it is written, and waited for, elsewhere.
/// What is refused has a bucket for each category, and strangers one apart. What finds either full is dropped and counted. Not
/// durable when told, as in the service. Any thread may call.
/// </summary>
internal sealed partial class OperationsMonitor(
    OperationsOptions options, TelemetryStreams streams, IEventLog log, TimeProvider time, ILogger<OperationsMonitor> logger) : BackgroundService
{
    /// <summary>Events that wait to be written.</summary>
    public const int QueueLength = 10_000;

    // What each bucket lets into the log: 50 events a second of some hundred bytes, a gigabyte a day at the most.
    private const double RefusalsPerSecond = 50;
    private const double RefusalsAtOnce = 1_000;

    private static readonly byte[] MessageBlock = EventEncoding.EncodeMessageBlock(
        new MessageProperties { ContentType = "application/json", ContentEncoding = "utf-8" });

    private readonly Channel<(OperationsEvent Event, DateTimeOffset At)> _queue =
        Channel.CreateBounded<(OperationsEvent, DateTimeOffset)>(new BoundedChannelOptions(QueueLength) { SingleReader = true });

    private readonly Bucket _connections = new(time);
    private readonly Bucket _telemetry = new(time);
    private readonly Bucket _commands = new(time);
    private readonly Bucket _identities = new(time);
    private readonly Bucket _strangers = new(time);
    private long _dropped;

    /// <summary>Events dropped since the start, for metrics.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>Tells an event, if its category is told at that level.</summary>
    public void Tell(OperationsEvent what)
    {
        var level = options.LevelOf(what.Category);
        if (level is OperationsLevel.None || (what.Fault is null && level is not OperationsLevel.Information))
        {
            return;
        }

        if ((what.Fault is not null && !MaySpend(what)) || !_queue.Writer.TryWrite((what, time.GetUtcNow())))
        {
            Interlocked.Increment(ref _dropped);
        }
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await foreach (var (what, at) in _queue.Reader.ReadAllAsync(stoppingToken))
            {
                var body = what.Write(at);
                AppendOutcome outcome;
                while ((outcome = TryAppend(what.Device, body)) is AppendOutcome.Full)
                {
                    await log.WaitForRoomAsync(stoppingToken);
                }

                if (outcome is AppendOutcome.Refused)
                {
                    Interlocked.Increment(ref _dropped);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // What was not written is not told.
        }
        catch (Exception e) // The runner's last line.
        {
            Log.Failed(logger, e);
        }
    }

    private AppendOutcome TryAppend(string? device, byte[] body)
    {
        Span<byte> header = stackalloc byte[EventEncoding.MaxDataHeaderBytes];
        var record = new RecordParts(
            SenderBlock.Encode(device, null, null, null, "operationsMonitoring", null),
            MessageBlock,
            header[..EventEncoding.WriteDataHeader(header, body.Length)],
            new ReadOnlySequence<byte>(body));
        return log.TryAppend(new LogPartition(streams.Operations.Id, 0), record, waiter: null, out _);
    }

    // Whoever asks for identities without a policy may hide no refusal of a back end.
    private bool MaySpend(OperationsEvent what) => (what.Category switch
    {
        OperationsCategory.Connections => _connections,
        OperationsCategory.DeviceTelemetry => _telemetry,
        OperationsCategory.C2DCommands => _commands,
        _ => what.Policy is null ? _strangers : _identities,
    }).TrySpend();

    private sealed class Bucket(TimeProvider time)
    {
        private readonly Lock _gate = new();
        private double _credit = RefusalsAtOnce;
        private long _creditAt = time.GetTimestamp();

        public bool TrySpend()
        {
            lock (_gate)
            {
                var now = time.GetTimestamp();
                _credit = Math.Min(RefusalsAtOnce, _credit + (time.GetElapsedTime(_creditAt, now).TotalSeconds * RefusalsPerSecond));
                _creditAt = now;
                if (_credit < 1)
                {
                    return false;
                }

                _credit--;
                return true;
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(8120, LogLevel.Error, "Operations monitoring has ended")]
        public static partial void Failed(ILogger logger, Exception e);
    }
}
