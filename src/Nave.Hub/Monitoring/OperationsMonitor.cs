using System.Buffers;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Nave.EventLog;
using Nave.Hub.Devices;
using Nave.Hub.Telemetry;
using Nave.Protocol.Errors;
using Nave.Protocol.Messages;

namespace Nave.Hub.Monitoring;

/// <summary>
/// Operations monitoring: events about connections and commands in the service's schema, in a stream of their own
/// (spec/messaging-semantics.md 6). Never in anybody's way: a bounded queue before the log, and a bucket for what strangers
/// can cause; what finds either full is dropped and counted. Not durable when told, as in the service. Any thread may call.
/// </summary>
internal sealed partial class OperationsMonitor(
    OperationsOptions options, TelemetryStreams streams, IEventLog log, TimeProvider time, ILogger<OperationsMonitor> logger) : BackgroundService
{
    private const int QueueLength = 10_000;

    // What strangers may write into the log: 50 events a second of some hundred bytes, a gigabyte a day at the most.
    private const double RefusalsPerSecond = 50;
    private const double RefusalsAtOnce = 1_000;

    private static readonly byte[] MessageBlock = EventEncoding.EncodeMessageBlock(
        new MessageProperties { ContentType = "application/json", ContentEncoding = "utf-8" });

    private readonly Channel<(string? Device, byte[] Body)> _queue =
        Channel.CreateBounded<(string?, byte[])>(new BoundedChannelOptions(QueueLength) { SingleReader = true });

    private readonly Lock _gate = new();
    private double _credit = RefusalsAtOnce;
    private long _creditAt = time.GetTimestamp();
    private long _dropped;

    /// <summary>Events dropped since the start, for metrics.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>A connect was refused.</summary>
    public void ConnectRefused(string? device, DeviceProtocol? protocol, HubFailure failure)
    {
        if (options.Connections is OperationsLevel.None)
        {
            return;
        }

        if (!TrySpend())
        {
            Interlocked.Increment(ref _dropped);
            return;
        }

        // The service tells every refused credential as 401003, and what was wrong in words.
        var type = failure.HttpStatus == 401 ? (int)HubErrorCode.IotHubUnauthorized : (int)failure.Code;
        Tell("Connections", "deviceConnect", device, protocol, new Outcome(failure.HttpStatus, type, failure.Detail ?? failure.Message));
    }

    /// <summary>A device is connected.</summary>
    public void Connected(string device, DeviceProtocol protocol)
    {
        if (options.Connections is OperationsLevel.Information)
        {
            Tell("Connections", "deviceConnect", device, protocol, null);
        }
    }

    /// <summary>A device is no longer connected.</summary>
    public void Disconnected(string device, DeviceProtocol protocol, CloseReason reason)
    {
        var outcome = reason switch
        {
            CloseReason.TakenOver => protocol is DeviceProtocol.Mqtt or DeviceProtocol.MqttWs
                ? new Outcome(400, (int)HubErrorCode.ConnectionForcefullyClosedOnNewConnection, "A newer connection of the same identity took its place")
                : new Outcome(409, (int)HubErrorCode.LinkCreationConflict, "A newer connection of the same identity took its place"),
            CloseReason.KeepAliveTimeout => new Outcome(404, (int)HubErrorCode.DeviceConnectionClosedRemotely, "Nothing came for one and a half times the keep-alive"),
            CloseReason.TokenExpired => new Outcome(401, (int)HubErrorCode.IotHubUnauthorized, "Token expired"),
            CloseReason.Throttled => new Outcome(429, (int)HubErrorCode.ThrottlingException, "Throttled"),
            _ => (Outcome?)null,
        };
        if (options.Connections is OperationsLevel.Information || (outcome is not null && options.Connections is OperationsLevel.Error))
        {
            Tell("Connections", "deviceDisconnect", device, protocol, outcome);
        }
    }

    /// <summary>A command was refused.</summary>
    public void CommandRefused(string device, HubFailure failure)
    {
        if (options.Commands is not OperationsLevel.None)
        {
            Tell("C2DCommands", "ingress", device, null, new Outcome(failure.HttpStatus, (int)failure.Code, failure.Detail ?? failure.Message));
        }
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await foreach (var (device, body) in _queue.Reader.ReadAllAsync(stoppingToken))
            {
                AppendOutcome outcome;
                while ((outcome = TryAppend(device, body)) is AppendOutcome.Full)
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
            EventEncoding.EncodeSenderBlock(device, null, null, null, "operationsMonitoring", null),
            MessageBlock,
            header[..EventEncoding.WriteDataHeader(header, body.Length)],
            new ReadOnlySequence<byte>(body));
        return log.TryAppend(new LogPartition(streams.Operations.Id, 0), record, waiter: null, out _);
    }

    private void Tell(string category, string operation, string? device, DeviceProtocol? protocol, Outcome? outcome)
    {
        var json = new JsonObject
        {
            ["time"] = ServiceTime.Write(time.GetUtcNow()),
            ["operationName"] = operation,
            ["category"] = category,
            ["level"] = outcome is null ? "Information" : "Error",
        };
        if (outcome is { } failed)
        {
            json["statusCode"] = failed.Status;
            json["statusType"] = failed.Type;
            json["statusDescription"] = failed.Description;
        }

        json["deviceId"] = device;
        if (protocol is { } known)
        {
            json["protocol"] = known.ToString();
        }

        if (!_queue.Writer.TryWrite((device, Encoding.UTF8.GetBytes(json.ToJsonString()))))
        {
            Interlocked.Increment(ref _dropped);
        }
    }

    private bool TrySpend()
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

    private readonly record struct Outcome(int Status, int Type, string Description);

    private static partial class Log
    {
        [LoggerMessage(8120, LogLevel.Error, "Operations monitoring has ended")]
        public static partial void Failed(ILogger logger, Exception e);
    }
}
