using System.Buffers;
using Nave.EventLog;
using Nave.Hub.Telemetry;
using Nave.Protocol.Access;
using Nave.Protocol.Messages;

namespace Nave.Hub.Events;

/// <summary>What readers get of an event that is no telemetry (spec/messaging-semantics.md 5, spec/events-endpoint.md 6).</summary>
internal sealed class ChangeEventEncoding(HubNames names, TelemetryStreams streams)
{
    /// <summary>The hub's name as the service shows it: the first label of its host name; an address as it is.</summary>
    public string HubName { get; } =
        Uri.CheckHostName(names.Primary) is UriHostNameType.Dns ? names.Primary.Split('.')[0] : names.Primary;

    /// <summary>One device's events lie in one partition, the one of its telemetry; the hub's own in the first.</summary>
    public LogPartition PartitionOf(ChangeEvent change) => new(
        streams.Telemetry.Id, (ushort)(change.DeviceId is { } device ? PartitionOfDevice.Of(device, streams.Telemetry.Partitions) : 0));

    /// <summary>Appends an event to the log.</summary>
    public AppendOutcome TryAppend(IEventLog log, OutboxEvent item, out LogPosition position)
    {
        var change = item.Change;
        Span<byte> dataHeader = stackalloc byte[EventEncoding.MaxDataHeaderBytes];
        var record = new RecordParts(
            SenderBlock.Encode(
                change.DeviceId, change.Id.Module?.Value, generationId: null, authMethod: null, SourceName(change.Source), change.ModelId),
            EventEncoding.EncodeMessageBlock(PropertiesOf(item)),
            dataHeader[..EventEncoding.WriteDataHeader(dataHeader, change.Body.Length)],
            new ReadOnlySequence<byte>(change.Body));
        return log.TryAppend(PartitionOf(change), record, waiter: null, out position);
    }

    /// <summary>The value of <c>iothub-message-source</c>.</summary>
    public static string SourceName(ChangeSource source) => source switch
    {
        ChangeSource.TwinChangeEvents => "twinChangeEvents",
        ChangeSource.DeviceLifecycleEvents => "deviceLifecycleEvents",
        ChangeSource.DeviceConnectionStateEvents => "deviceConnectionStateEvents",
        ChangeSource.DeviceJobLifecycleEvents => "deviceJobLifecycleEvents",
        ChangeSource.DeviceHeartbeatEvents => "deviceHeartbeatEvents",
        _ => "digitalTwinChangeEvents",
    };

    /// <summary>System and application properties of an event.</summary>
    public MessageProperties PropertiesOf(OutboxEvent item)
    {
        var change = item.Change;
        var application = new List<KeyValuePair<string, string?>>
        {
            new("iothub-message-schema", SchemaName(change.Source)),
            new("hubName", HubName),
        };
        if (change.DeviceId is { } device)
        {
            application.Add(new("deviceId", device));
        }

        if (change.Id.Module is { } module)
        {
            application.Add(new("moduleId", module.Value));
        }

        if (change.OpType is { } opType)
        {
            application.Add(new("opType", opType));
        }

        application.Add(new("operationTimestamp", ServiceTime.Write(change.At)));
        return new MessageProperties
        {
            // An event that a crash sends twice has the same one both times.
            CorrelationId = item.Sequence.ToString("x32"),
            UserId = HubName,
            ContentType = "application/json",
            ContentEncoding = "utf-8",
            Application = application,
        };
    }

    private static string SchemaName(ChangeSource source) => source switch
    {
        ChangeSource.TwinChangeEvents => "twinChangeNotification",
        ChangeSource.DeviceLifecycleEvents => "deviceLifecycleNotification",
        ChangeSource.DeviceConnectionStateEvents => "deviceConnectionStateNotification",
        ChangeSource.DeviceJobLifecycleEvents => "deviceJobLifecycleNotification",
        ChangeSource.DeviceHeartbeatEvents => "deviceHeartbeatNotification",
        _ => "digitalTwinChangeNotification",
    };
}
