using System.Diagnostics.Metrics;

namespace Nave.Hub.Monitoring;

/// <summary>
/// The hub's instruments, one set per hub. Names are as Prometheus wants them, so that both ways out agree. Never
/// labelled by device: a hundred thousand series kill whoever stores them. Any thread may call.
/// </summary>
internal sealed class HubMetrics : IDisposable
{
    /// <summary>For listeners and exporters.</summary>
    public const string MeterName = "Nave.Hub";

    // From a memory write to a disk that is in trouble; clients give up on a PUBACK after 30 s.
    private static readonly double[] LatencySeconds =
        [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

    private readonly Meter _meter;
    private readonly UpDownCounter<long> _connections;
    private readonly Counter<long> _connectionsOpened;
    private readonly Counter<long> _connectionsClosed;
    private readonly Counter<long> _handshakes;
    private readonly Histogram<double> _handshakeDuration;
    private readonly Counter<long> _refusals;
    private readonly Histogram<double> _append;
    private readonly Histogram<double> _acknowledgement;
    private readonly Counter<long> _methods;
    private readonly Histogram<double> _methodDuration;
    private long _acknowledged;

    public HubMetrics()
    {
        _meter = new Meter(new MeterOptions(MeterName) { Scope = this });
        _connections = _meter.CreateUpDownCounter<long>("nave_connections", null, "Open transport connections by port.");
        _connectionsOpened = _meter.CreateCounter<long>("nave_connections_opened_total", null, "Transport connections accepted by port.");
        _connectionsClosed = _meter.CreateCounter<long>("nave_sessions_closed_total", null, "Device sessions ended by reason.");
        _handshakes = _meter.CreateCounter<long>("nave_tls_handshakes_total", null, "TLS handshakes by result.");
        _handshakeDuration = Latency("nave_tls_handshake_duration_seconds", "TLS handshakes that succeeded, waiting for a slot included.");
        _refusals = _meter.CreateCounter<long>("nave_refusals_total", null, "Requests, connects and messages refused by error code.");
        _append = Latency("nave_append_duration_seconds", "From the append of a message to its commit on disk.");
        _acknowledgement = Latency("nave_acknowledgement_duration_seconds", "From the receipt of a message to its acknowledgement.");
        _methods = _meter.CreateCounter<long>("nave_direct_methods_total", null, "Direct methods called by result: Answered, or why not.");
        _methodDuration = Latency("nave_direct_method_duration_seconds", "From the call of a direct method to its answer, waits for the device included.");
        _meter.CreateObservableCounter("nave_messages_acknowledged_total", () => Interlocked.Read(ref _acknowledged), null, "Messages acknowledged to their senders.");
    }

    /// <summary>Whose instruments these are; listeners compare.</summary>
    public Meter Meter => _meter;

    /// <summary>A transport connection has been accepted.</summary>
    public void ConnectionOpened(string port)
    {
        _connections.Add(1, Tag("port", port));
        _connectionsOpened.Add(1, Tag("port", port));
    }

    /// <summary>It is gone.</summary>
    public void ConnectionClosed(string port) => _connections.Add(-1, Tag("port", port));

    /// <summary>A device session has ended.</summary>
    public void SessionClosed(Devices.CloseReason reason) => _connectionsClosed.Add(1, Tag("reason", reason.ToString()));

    /// <summary>A handshake is over.</summary>
    public void HandshakeDone(bool succeeded, TimeSpan took)
    {
        _handshakes.Add(1, Tag("result", succeeded ? "done" : "failed"));
        if (succeeded)
        {
            _handshakeDuration.Record(took.TotalSeconds);
        }
    }

    /// <summary>Something was refused; the reason is an error code's name, never text that a stranger chose.</summary>
    public void Refused(string reason) => _refusals.Add(1, Tag("reason", reason));

    /// <summary>
    /// Messages were acknowledged in one go: the oldest of them waited that long for its commit, and was received that
    /// long ago. One measurement a batch keeps the hot path free of it.
    /// </summary>
    public void Acknowledged(long count, TimeSpan append, TimeSpan sinceReceipt)
    {
        Interlocked.Add(ref _acknowledged, count);
        _append.Record(append.TotalSeconds);
        _acknowledgement.Record(sinceReceipt.TotalSeconds);
    }

    /// <summary>A direct method is over; the result is a word of ours or an error code's name.</summary>
    public void MethodCalled(string result, TimeSpan took)
    {
        _methods.Add(1, Tag("result", result));
        _methodDuration.Record(took.TotalSeconds);
    }

    /// <summary>A counter whose value is kept elsewhere.</summary>
    public void ObserveCounter(string name, string help, Func<long> value) => _meter.CreateObservableCounter(name, value, null, help);

    /// <summary>A counter with several series whose values are kept elsewhere.</summary>
    public void ObserveCounter(string name, string help, Func<IEnumerable<Measurement<long>>> values) =>
        _meter.CreateObservableCounter(name, values, null, help);

    /// <summary>A gauge whose value is kept elsewhere.</summary>
    public void ObserveGauge(string name, string help, Func<long> value) => _meter.CreateObservableGauge(name, value, null, help);

    /// <summary>A gauge with several series whose values are kept elsewhere.</summary>
    public void ObserveGauge(string name, string help, Func<IEnumerable<Measurement<long>>> values) =>
        _meter.CreateObservableGauge(name, values, null, help);

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    private Histogram<double> Latency(string name, string help) => _meter.CreateHistogram(
        name, "s", help, advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = LatencySeconds });

    private static KeyValuePair<string, object?> Tag(string name, string value) => new(name, value);
}
