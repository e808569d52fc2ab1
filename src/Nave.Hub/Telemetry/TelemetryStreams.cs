using Nave.EventLog;

namespace Nave.Hub.Telemetry;

/// <summary>The streams that the hub keeps in its log, with their stable ids.</summary>
internal sealed class TelemetryStreams(int telemetryPartitions)
{
    /// <summary>The built-in endpoint: <c>messages/events</c>.</summary>
    public LogStream Telemetry { get; } = new(1, "events", telemetryPartitions);

    /// <summary>Operations monitoring: <c>messages/operationsMonitoringEvents</c>. One partition: it is few events, in order.</summary>
    public LogStream Operations { get; } = new(2, "operations", 1);

    /// <summary>All of them, for opening the log.</summary>
    public IReadOnlyList<LogStream> All => [Telemetry, Operations];
}
