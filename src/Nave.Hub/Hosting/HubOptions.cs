using System.Net;
using Nave.Hub.Commands;
using Nave.Hub.Events;
using Nave.Hub.Heartbeats;
using Nave.Hub.Jobs;
using Nave.Hub.Methods;
using Nave.Hub.Monitoring;
using Nave.Hub.Queries;
using Nave.Hub.Quotas;
using Nave.Hub.Twins;
using Nave.Protocol;

namespace Nave.Hub.Hosting;

/// <summary>
/// Everything that can be set on a hub. Names, defaults and meanings for people are in <see cref="OptionTable"/>; values
/// come from there and from <see cref="OptionReader"/>. Not changed once the hub has been built.
/// </summary>
public sealed class HubOptions
{
    /// <summary>What the hub is called and where its data is.</summary>
    public HubSection Hub { get; } = new();

    /// <summary>Addresses and ports.</summary>
    public ListenSection Listen { get; } = new();

    /// <summary>Certificates and handshakes.</summary>
    public TlsSection Tls { get; } = new();

    /// <summary>How credentials are judged.</summary>
    public AccessSection Access { get; } = new();

    /// <summary>The event log behind the events endpoint.</summary>
    public EventsSection Events { get; } = new();

    /// <summary>The queues of commands.</summary>
    public CommandOptions CloudToDevice { get; } = new();

    /// <summary>How large twins may be.</summary>
    public TwinOptions Twins { get; } = new();

    /// <summary>Direct methods.</summary>
    public MethodOptions Methods { get; } = new();

    /// <summary>Who is to be heard how often.</summary>
    public HeartbeatOptions Heartbeats { get; } = new();

    /// <summary>Indexes and times of queries.</summary>
    public QueryOptions Queries { get; } = new();

    /// <summary>How many jobs run and wait.</summary>
    public JobOptions Jobs { get; } = new();

    /// <summary>The service's quota and throttles.</summary>
    public QuotaOptions Quota { get; } = new();

    /// <summary>What is told of operations.</summary>
    public OperationsOptions Operations { get; } = new();

    /// <summary>What goes to the console.</summary>
    public LogSection Log { get; } = new();

    /// <summary>Where metrics go.</summary>
    public MetricsSection Metrics { get; } = new();

    /// <summary>What helps those who test against a hub.</summary>
    public TestingSection Testing { get; } = new();

    /// <summary>What is created at the start if it is absent.</summary>
    public HubSeed Seed { get; set; } = new();
}

/// <summary>Section <c>Hub</c>.</summary>
public sealed class HubSection
{
    /// <summary>The host name and its aliases, the first being the one that is printed; empty for the default set.</summary>
    public IReadOnlyList<string> HostNames { get; set; } = [];

    /// <summary>The data directory.</summary>
    public string DataDirectory { get; set; } = "nave-data";
}

/// <summary>Section <c>Listen</c>. A port of 0 takes a free one, for tests.</summary>
public sealed class ListenSection
{
    /// <summary>The address of the device and service ports.</summary>
    public IPAddress Address { get; set; } = IPAddress.Loopback;

    /// <summary>MQTT over TLS.</summary>
    public int MqttsPort { get; set; } = 8883;

    /// <summary>AMQP over TLS.</summary>
    public int AmqpsPort { get; set; } = 5671;

    /// <summary>HTTPS, and MQTT and AMQP over WebSocket.</summary>
    public int HttpsPort { get; set; } = 443;

    /// <summary>The address of the operator port; null for <see cref="Address"/> where that is loopback, else 127.0.0.1.</summary>
    public IPAddress? OperatorAddress { get; set; }

    /// <summary>Operator functions and metrics.</summary>
    public int OperatorPort { get; set; } = 8444;

    /// <summary>Whether the plain ports are open; they are loopback only.</summary>
    public bool Plain { get; set; }

    /// <summary>MQTT without TLS.</summary>
    public int MqttPort { get; set; } = 1883;

    /// <summary>AMQP without TLS.</summary>
    public int AmqpPort { get; set; } = 5672;

    /// <summary>Loopback, whatever <see cref="Address"/> is: several hubs on one machine have a loopback address each.</summary>
    internal IPAddress OwnLoopback => IPAddress.IsLoopback(Address) ? Address : IPAddress.Loopback;

    /// <summary>Connections that wait to be accepted; design.md 2: at least 4,096.</summary>
    public int Backlog { get; set; } = 4096;

    /// <summary>Handlers run on the socket engine's thread: less work a message, if nothing blocks.</summary>
    public bool InlineScheduling { get; set; }
}

/// <summary>Section <c>Tls</c>.</summary>
public sealed class TlsSection
{
    /// <summary>The server's own certificate with its chain, PEM; null for one of the hub's own authority.</summary>
    public string? CertificateFile { get; set; }

    /// <summary>The key of <see cref="CertificateFile"/>, PEM.</summary>
    public string? KeyFile { get; set; }

    /// <summary>How long a handshake may take.</summary>
    public TimeSpan HandshakeTimeout { get; set; } = TimeSpan.FromSeconds(HubLimits.HandshakeTimeoutSeconds);

    /// <summary>Handshakes that run at once: each costs about a millisecond of a core (design.md 2).</summary>
    public int ConcurrentHandshakes { get; set; } = Math.Max(4, Environment.ProcessorCount * 2);
}

/// <summary>Section <c>Access</c>.</summary>
public sealed class AccessSection
{
    /// <summary>The allowance for wrong clocks when a token's expiry is judged; 0 is legal.</summary>
    public TimeSpan ClockSkew { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>Whether self-signed certificates outside their validity are accepted (spec/security.md 6.2).</summary>
    public bool AllowExpiredCertificates { get; set; }

    /// <summary>Refused credentials that an address has to its credit; 0 lifts the limit.</summary>
    public int MaxFailuresPerAddress { get; set; } = 600;

    /// <summary>Connects of one device or module in a minute; 0 lifts the limit.</summary>
    public int MaxConnectsPerDevice { get; set; } = 600;

    /// <summary>Connects from one address in a minute; 0 lifts the limit.</summary>
    public int MaxConnectsPerAddress { get; set; } = 100_000;

    /// <summary>Messages of one device or module in a second; 0 lifts the limit.</summary>
    public int MaxMessagesPerDevice { get; set; } = 100_000;
}

/// <summary>Section <c>Events</c>.</summary>
public sealed class EventsSection
{
    /// <summary>Partitions of the events endpoint; fixed when the data directory is created.</summary>
    public int Partitions { get; set; } = 4;

    /// <summary>How long events are kept.</summary>
    public TimeSpan Retention { get; set; } = TimeSpan.FromDays(1);

    /// <summary>The size at which the oldest events go whatever their age; null for none.</summary>
    public long? RetentionBytes { get; set; }

    /// <summary>The size over which the log takes no more; null for none.</summary>
    public long? LimitBytes { get; set; }

    /// <summary>Free disk space below which the log takes no more.</summary>
    public long ReserveBytes { get; set; } = 512L << 20;

    /// <summary>Sources besides telemetry that the events endpoint gets; as in the service, none unless asked for.</summary>
    public IReadOnlyList<ChangeSource> Sources { get; set; } = [];

    /// <summary>The least time between two connection events of one identity.</summary>
    public TimeSpan ConnectionStateInterval { get; set; } = TimeSpan.FromSeconds(60);
}

/// <summary>Section <c>Log</c>.</summary>
public sealed class LogSection
{
    /// <summary>For people or for machines.</summary>
    public ConsoleFormat Format { get; set; }

    /// <summary>The least level that is shown.</summary>
    public Microsoft.Extensions.Logging.LogLevel Level { get; set; } = Microsoft.Extensions.Logging.LogLevel.Information;
}

/// <summary>How the console log is written.</summary>
public enum ConsoleFormat
{
    /// <summary>Short lines.</summary>
    Text,

    /// <summary>One JSON object a line.</summary>
    Json,
}

/// <summary>Section <c>Metrics</c>.</summary>
public sealed class MetricsSection
{
    /// <summary>Where metrics are exported with OTLP; null for the environment's <c>OTEL_EXPORTER_OTLP_ENDPOINT</c>, or nowhere.</summary>
    public string? OtlpEndpoint { get; set; }
}

/// <summary>Section <c>Testing</c>.</summary>
public sealed class TestingSection
{
    /// <summary>Whether devices may ask for faults of their own connections (spec/sdk-gotchas.md 6).</summary>
    public bool FaultInjection { get; set; }
}
