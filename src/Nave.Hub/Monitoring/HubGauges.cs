using System.Diagnostics.Metrics;
using Nave.EventLog;
using Nave.Hub.Devices;
using Nave.Hub.Heads.Amqp;
using Nave.Hub.Heartbeats;
using Nave.Hub.Quotas;
using Nave.Hub.Telemetry;

namespace Nave.Hub.Monitoring;

/// <summary>The figures that others keep, put among the hub's instruments.</summary>
internal sealed class HubGauges
{
    public HubGauges(HubMetrics metrics, TelemetryPipeline telemetry, IEventLog log, SessionTable sessions, AmqpHead amqp, OperationsMonitor operations, HeartbeatTable heartbeats,
        HubMeter meter, DeviceLimits limits)
    {
        metrics.ObserveCounter("nave_messages_in_total", "Messages taken into the log.", () => telemetry.Messages);
        metrics.ObserveCounter("nave_message_bytes_in_total", "Body and property bytes of messages taken.", () => telemetry.Bytes);
        metrics.ObserveCounter("nave_messages_refused_total", "Messages refused for their size or by the log.", () => telemetry.Refused);
        metrics.ObserveCounter("nave_messages_out_total", "Events delivered to readers.", () => amqp.Events);
        metrics.ObserveCounter("nave_message_bytes_out_total", "Bytes of events delivered to readers.", () => amqp.Bytes);
        metrics.ObserveGauge("nave_devices_connected", "Devices and modules connected, by protocol.", () => sessions.All
            .GroupBy(session => session.Protocol)
            .Select(group => new Measurement<long>(group.Count(), new KeyValuePair<string, object?>("protocol", group.Key.ToString()))));
        metrics.ObserveCounter("nave_opmon_dropped_total", "Operations events that were not told.", () => operations.Dropped);
        metrics.ObserveGauge("nave_devices", "Devices by heartbeat state.", () => heartbeats.Counts
            .Select((count, state) => new Measurement<long>(count, new KeyValuePair<string, object?>("state", HeartbeatWords.Of((HeartbeatState)state)))));
        metrics.ObserveCounter("nave_throttled_total", "Operations over their limit, by limit: delayed or refused.", () => Throttled(meter, limits));
        metrics.ObserveGauge("nave_quota_messages_used", "Messages that the day has used, by operation.", () => Used(meter));
        if (meter.Plan.DailyUnits is { } units)
        {
            metrics.ObserveGauge("nave_quota_messages_limit", "Messages that the day has.", () => units);
        }

        metrics.ObserveGauge("nave_log_is_taking", "1 while the event log takes records, else 0.", () => log.Fault is null ? 1 : 0);
        if (log is EmbeddedEventLog embedded)
        {
            metrics.ObserveGauge("nave_log_bytes", "Size of the event log's segments.", () => embedded.TotalBytes);
            metrics.ObserveCounter("nave_log_records_total", "Records committed to the event log.", () => embedded.Statistics.Records);
            metrics.ObserveCounter("nave_log_syncs_total", "Batches of the event log made durable.", () => embedded.Statistics.Syncs);
            metrics.ObserveCounter("nave_log_written_bytes_total", "Bytes written to the event log.", () => embedded.Statistics.Bytes);
        }

        metrics.ObserveGauge("process_resident_memory_bytes", "Memory of the process in RAM.", () => Environment.WorkingSet);
        metrics.ObserveGauge("process_managed_heap_bytes", "Memory of the managed heap.", () => GC.GetTotalMemory(forceFullCollection: false));
        metrics.ObserveGauge(
            "process_cpu_milliseconds", "CPU time of the process so far.", () => (long)Environment.CpuUsage.TotalTime.TotalMilliseconds);
    }

    private static IEnumerable<Measurement<long>> Throttled(HubMeter meter, DeviceLimits limits)
    {
        foreach (var operation in MeteredWords.All)
        {
            if (meter.LimitOf(operation)?.Read() is { } state)
            {
                yield return Of(state.Delayed, operation.Name(), "delayed");
                yield return Of(state.Refused, operation.Name(), "refused");
            }
        }

        if (meter.Daily is not null)
        {
            yield return Of(meter.ExhaustedRefusals, "dailyMessages", "refused");
        }

        yield return Of(limits.ConnectsRefused, "connectsPerDevice", "refused");
        yield return Of(limits.AddressesRefused, "connectsPerAddress", "refused");
        yield return Of(limits.MessagesHeld, "messagesPerDevice", "delayed");

        static Measurement<long> Of(long value, string limit, string result) => new(
            value, new KeyValuePair<string, object?>("limit", limit), new KeyValuePair<string, object?>("result", result));
    }

    private static IEnumerable<Measurement<long>> Used(HubMeter meter) => meter.Daily?.Read() is { } used
        ? MeteredWords.All.Where(operation => used[(int)operation] > 0)
            .Select(operation => new Measurement<long>(used[(int)operation], new KeyValuePair<string, object?>("operation", operation.Name())))
        : [];
}
