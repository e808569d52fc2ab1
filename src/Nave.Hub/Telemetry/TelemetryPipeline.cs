using System.Buffers;
using Nave.EventLog;
using Nave.Hub.Access;
using Nave.Protocol;
using Nave.Protocol.Errors;
using Nave.Protocol.Messages;

namespace Nave.Hub.Telemetry;

/// <summary>
/// The way in for telemetry: limit, stamp, append. No actor and no SQL in it: everything it asks for is in the
/// sender's snapshot (design.md, "The hot path has no actor in it").
/// </summary>
internal sealed class TelemetryPipeline(IEventLog log, TelemetryStreams streams)
{
    private long _messages;
    private long _bytes;
    private long _refused;

    /// <summary>Messages taken since the start, for metrics.</summary>
    public long Messages => Interlocked.Read(ref _messages);

    /// <summary>Body and property bytes taken since the start, for metrics.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Messages refused since the start, for metrics.</summary>
    public long Refused => Interlocked.Read(ref _refused);

    /// <summary>What is stamped on every message of a session, encoded once.</summary>
    public TelemetrySender CreateSender(AccessGrant grant, string? modelId)
    {
        var id = grant.Identity ?? throw new ArgumentException("Telemetry has a sender.", nameof(grant));
        var partition = PartitionOfDevice.Of(id.Device.Value, streams.Telemetry.Partitions);
        return new TelemetrySender(
            new LogPartition(streams.Telemetry.Id, (ushort)partition),
            SenderBlock.Encode(
                id.Device.Value, id.Module?.Value, grant.GenerationId, grant.AuthMethod, source: "Telemetry", modelId));
    }

    /// <summary>Takes one message into the open batch.</summary>
    public TelemetryResult TryAppend(
        TelemetrySender sender, TelemetryProperties properties, in ReadOnlySequence<byte> body, ICommitWaiter? waiter)
    {
        var counted = body.Length + properties.CountedBytes;
        if (counted > HubLimits.MaxTelemetryBytes)
        {
            Interlocked.Increment(ref _refused);
            return new TelemetryResult(AppendOutcome.Refused, default, HubFailures.MessageTooLarge);
        }

        Span<byte> dataHeader = stackalloc byte[EventEncoding.MaxDataHeaderBytes];
        var record = new RecordParts(
            sender.Block.Span,
            properties.Encoded.Span,
            dataHeader[..EventEncoding.WriteDataHeader(dataHeader, body.Length)],
            body);
        var outcome = log.TryAppend(sender.Partition, record, waiter, out var position);
        switch (outcome)
        {
            case AppendOutcome.Taken:
                Interlocked.Increment(ref _messages);
                Interlocked.Add(ref _bytes, counted);
                return new TelemetryResult(outcome, position, null);
            case AppendOutcome.Refused:
                Interlocked.Increment(ref _refused);
                return new TelemetryResult(outcome, default, HubFailures.Unavailable);
            default:
                return new TelemetryResult(outcome, default, null);
        }
    }

    /// <summary>
    /// Sends messages and waits until all of them are durable. None is sent when one of them is over its limit.
    /// </summary>
    /// <returns>Null when durable, else why not: then some may have been stored, and a sender that tries again duplicates them.</returns>
    public async ValueTask<HubFailure?> SendAsync(TelemetrySender sender, IReadOnlyList<TelemetryItem> items, CancellationToken stopping)
    {
        if (items.Any(item => item.Body.Length + item.Properties.CountedBytes > HubLimits.MaxTelemetryBytes))
        {
            Interlocked.Increment(ref _refused);
            return HubFailures.MessageTooLarge;
        }

        LogPosition last = default;
        foreach (var item in items)
        {
            TelemetryResult result;
            while ((result = TryAppend(sender, item.Properties, item.Body, waiter: null)).Outcome is AppendOutcome.Full)
            {
                await log.WaitForRoomAsync(stopping);
            }

            if (result.Failure is { } failure)
            {
                return failure;
            }

            last = result.Position;
        }

        try
        {
            await log.WaitForCommitAsync(last, stopping);
            return null;
        }
        catch (LogFailedException)
        {
            return HubFailures.Unavailable;
        }
    }

    /// <summary>Completes when the open batch may have room again.</summary>
    public ValueTask WaitForRoomAsync(CancellationToken stopping) => log.WaitForRoomAsync(stopping);
}

/// <summary>One message of several that are sent and awaited together.</summary>
internal sealed record TelemetryItem(TelemetryProperties Properties, ReadOnlySequence<byte> Body);

/// <summary>What a session's messages have in common.</summary>
/// <param name="Partition">One device's telemetry always lands in one partition.</param>
/// <param name="Block">See <see cref="SenderBlock"/>.</param>
internal sealed record TelemetrySender(LogPartition Partition, ReadOnlyMemory<byte> Block);

/// <summary>What became of a message: taken with a position, to be tried again when there is room, or refused with a failure.</summary>
internal readonly record struct TelemetryResult(AppendOutcome Outcome, LogPosition Position, HubFailure? Failure);
