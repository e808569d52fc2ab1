using Microsoft.Extensions.Logging;
using Nave.Hub.Events;
using Nave.Hub.Methods;
using Nave.Hub.Monitoring;
using Nave.Hub.Quotas;
using static Nave.Hub.Hosting.OptionValue;

namespace Nave.Hub.Hosting;

/// <summary>
/// Every option: its name, flag, default and meaning, and how its text becomes a value. The command line, the
/// configuration file, the environment and <c>docs/operations.md</c> all follow this table.
/// </summary>
public static class OptionTable
{
    /// <summary>All options in the order of the documentation.</summary>
    public static IReadOnlyList<OptionRow> Rows { get; } =
    [
        new("Hub:HostNames", "--host", "localhost, the machine's name and the bound address",
            "Host name for connection strings, tokens and the certificate; more than one are aliases",
            (o, text) => o.Hub.HostNames = Names(text)) { IsList = true },
        new("Hub:DataDirectory", "--data", "./nave-data", "Data directory", (o, text) => o.Hub.DataDirectory = text),
        new("Listen:Address", "--bind", "127.0.0.1", "Address to listen on; 0.0.0.0 for all",
            (o, text) => o.Listen.Address = Address(text)),
        new("Listen:MqttsPort", "--mqtts-port", "8883", "MQTT over TLS", (o, text) => o.Listen.MqttsPort = Port(text)),
        new("Listen:AmqpsPort", "--amqps-port", "5671", "AMQP over TLS", (o, text) => o.Listen.AmqpsPort = Port(text)),
        new("Listen:HttpsPort", "--https-port", "443", "HTTPS, and MQTT and AMQP over WebSocket",
            (o, text) => o.Listen.HttpsPort = Port(text)),
        new("Listen:OperatorAddress", "--operator-bind", "the address of Listen:Address if that is loopback, else 127.0.0.1", "Address of the operator port",
            (o, text) => o.Listen.OperatorAddress = Address(text)),
        new("Listen:OperatorPort", "--operator-port", "8444", "Operator functions and metrics",
            (o, text) => o.Listen.OperatorPort = Port(text)),
        new("Listen:Plain", "--dev", "false", "Also open MQTT and AMQP without TLS, on loopback only",
            (o, text) => o.Listen.Plain = Flag(text)) { IsSwitch = true },
        new("Listen:MqttPort", "--mqtt-port", "1883", "MQTT without TLS, with --dev", (o, text) => o.Listen.MqttPort = Port(text)),
        new("Listen:AmqpPort", "--amqp-port", "5672", "AMQP without TLS, with --dev", (o, text) => o.Listen.AmqpPort = Port(text)),
        new("Listen:Backlog", null, "4096", "Connections that may wait to be accepted",
            (o, text) => o.Listen.Backlog = Number(text, 1, 65_535)),
        new("Listen:InlineScheduling", null, "false", "Handle HTTP and AMQP on the socket engine's thread (MQTT as well, where the system is not Linux)",
            (o, text) => o.Listen.InlineScheduling = Flag(text)),
        new("Tls:CertificateFile", "--cert", "the hub's own", "Server certificate with its chain (PEM)",
            (o, text) => o.Tls.CertificateFile = text),
        new("Tls:KeyFile", "--key", "the hub's own", "Key of the server certificate (PEM)", (o, text) => o.Tls.KeyFile = text),
        new("Tls:HandshakeTimeout", null, "10s", "Longest TLS handshake",
            (o, text) => o.Tls.HandshakeTimeout = Duration(text, TimeSpan.FromMilliseconds(100))),
        new("Tls:ConcurrentHandshakes", null, "twice the cores, at least 4", "TLS handshakes that run at once",
            (o, text) => o.Tls.ConcurrentHandshakes = Number(text, 1, 10_000)),
        new("Access:ClockSkew", null, "5m", "Allowance for wrong clocks when a token's expiry is judged; 0 is legal",
            (o, text) => o.Access.ClockSkew = Duration(text, TimeSpan.Zero)),
        new("Access:AllowExpiredCertificates", null, "false", "Accept self-signed device certificates outside their validity",
            (o, text) => o.Access.AllowExpiredCertificates = Flag(text)),
        new("Access:MaxFailuresPerAddress", null, "600", "Refused credentials an address has to its credit, a sixtieth back each second; 0 lifts it",
            (o, text) => o.Access.MaxFailuresPerAddress = Number(text, 0, int.MaxValue)),
        new("Access:MaxConnectsPerDevice", null, "600", "Connects of one device or module in a minute; 0 lifts it",
            (o, text) => o.Access.MaxConnectsPerDevice = Number(text, 0, int.MaxValue)),
        new("Access:MaxConnectsPerAddress", null, "100000", "Connects from one address in a minute, all devices together; 0 lifts it",
            (o, text) => o.Access.MaxConnectsPerAddress = Number(text, 0, int.MaxValue)),
        new("Access:MaxMessagesPerDevice", null, "100000", "Messages of one device or module in a second; what is more waits; 0 lifts it",
            (o, text) => o.Access.MaxMessagesPerDevice = Number(text, 0, int.MaxValue)),
        new("Events:Partitions", null, "4", "Partitions of the events endpoint, 1 to 32; fixed once data exists",
            (o, text) => o.Events.Partitions = Number(text, 1, 32)),
        new("Events:Retention", null, "1d", "How long events are kept",
            (o, text) => o.Events.Retention = Duration(text, TimeSpan.FromSeconds(1))),
        new("Events:RetentionBytes", null, "none", "Size at which the oldest events go whatever their age",
            (o, text) => o.Events.RetentionBytes = Size(text)),
        new("Events:LimitBytes", null, "none", "Size over which no more events are taken", (o, text) => o.Events.LimitBytes = Size(text)),
        new("Events:ReserveBytes", null, "512MB", "Free disk space below which no more events are taken",
            (o, text) => o.Events.ReserveBytes = Size(text)),
        new("Events:Sources", null, "none",
            "Events besides telemetry for the events endpoint: TwinChangeEvents, DeviceLifecycleEvents, DeviceConnectionStateEvents, DeviceJobLifecycleEvents, DigitalTwinChangeEvents, DeviceHeartbeatEvents",
            (o, text) => o.Events.Sources = Choices<ChangeSource>(text)) { IsList = true },
        new("Events:ConnectionStateInterval", null, "60s", "Least time between two connection state events of one device or module",
            (o, text) => o.Events.ConnectionStateInterval = Duration(text, TimeSpan.FromSeconds(1))),
        new("CloudToDevice:MaxQueued", null, "50", "Commands in one queue, enqueued and locked together",
            (o, text) => o.CloudToDevice.MaxQueued = Number(text, 1, 100_000)),
        new("CloudToDevice:DefaultTimeToLive", null, "1h", "How long a command lives that names no expiry, 1m to 48h",
            (o, text) => o.CloudToDevice.DefaultTimeToLive = Duration(text, TimeSpan.FromMinutes(1))),
        new("CloudToDevice:MaxTimeToLive", null, "2d", "The longest life that a command may ask for",
            (o, text) => o.CloudToDevice.MaxTimeToLive = Duration(text, TimeSpan.FromMinutes(1))),
        new("CloudToDevice:MaxDeliveryCount", null, "10", "Abandons until a command is given up, 1 to 100",
            (o, text) => o.CloudToDevice.MaxDeliveryCount = Number(text, 1, 100)),
        new("CloudToDevice:LockDuration", null, "60s", "How long a received command stays invisible",
            (o, text) => o.CloudToDevice.LockDuration = Duration(text, TimeSpan.FromSeconds(1))),
        new("CloudToDevice:CountLockTimeouts", null, "false", "Count locks that run out towards MaxDeliveryCount, the rule of 2016",
            (o, text) => o.CloudToDevice.CountLockTimeouts = Flag(text)),
        new("CloudToDevice:MaxMessageBytes", null, "65536", "Body and properties of a command, in bytes",
            (o, text) => o.CloudToDevice.MaxMessageBytes = Number(text, 1, 1_048_576)),
        new("CloudToDevice:FeedbackTimeToLive", null, "1h", "How long unread feedback lives, 1m to 48h",
            (o, text) => o.CloudToDevice.FeedbackTimeToLive = Duration(text, TimeSpan.FromMinutes(1))),
        new("CloudToDevice:FeedbackLockDuration", null, "60s", "How long a received feedback batch stays invisible",
            (o, text) => o.CloudToDevice.FeedbackLockDuration = Duration(text, TimeSpan.FromSeconds(5))),
        new("CloudToDevice:FeedbackMaxDeliveryCount", null, "10", "Deliveries of one feedback batch before it is dropped, 1 to 100",
            (o, text) => o.CloudToDevice.FeedbackMaxDeliveryCount = Number(text, 1, 100)),
        new("Twins:MaxTagsBytes", null, "8192", "Tags of one twin, in bytes as the service counts them",
            (o, text) => o.Twins.MaxTagsBytes = Number(text, 1, 1_048_576)),
        new("Twins:MaxDesiredBytes", null, "32768", "Desired properties of one twin, likewise",
            (o, text) => o.Twins.MaxDesiredBytes = Number(text, 1, 1_048_576)),
        new("Twins:MaxReportedBytes", null, "32768", "Reported properties of one twin, likewise",
            (o, text) => o.Twins.MaxReportedBytes = Number(text, 1, 1_048_576)),
        new("Methods:MaxResponseTimeout", null, "300s", "The longest time that a device may be given to answer a direct method",
            (o, text) => o.Methods.MaxResponseTimeout = Duration(text, MethodOptions.MinResponseTimeout)),
        new("Methods:MaxConnectTimeout", null, "300s", "The longest time that a direct method may wait for its device to connect",
            (o, text) => o.Methods.MaxConnectTimeout = Duration(text, TimeSpan.Zero)),
        new("Methods:MaxPayloadBytes", null, "131072", "Payload of a direct method and of its answer, in bytes",
            (o, text) => o.Methods.MaxPayloadBytes = Number(text, 4, 16_777_216)),
        new("Methods:MaxPendingPerDevice", null, "50", "Direct methods that may be pending for one device",
            (o, text) => o.Methods.MaxPendingPerDevice = Number(text, 1, 100_000)),
        new("Methods:MaxPending", null, "10000", "Direct methods that may be pending in all",
            (o, text) => o.Methods.MaxPending = Number(text, 1, 1_000_000)),
        new("Queries:IndexedPaths", null, "none", "Paths of twins that queries find by an index, such as tags.site",
            (o, text) => o.Queries.IndexedPaths = Paths(text)) { IsList = true },
        new("Queries:Timeout", null, "30s", "How long one page of a query may take",
            (o, text) => o.Queries.Timeout = Duration(text, TimeSpan.FromMilliseconds(100))),
        new("Jobs:MaxActive", null, "10", "Jobs that run at once; others stay queued",
            (o, text) => o.Jobs.MaxActive = Number(text, 1, 100)),
        new("Jobs:Concurrency", null, "100", "Devices of one job that are worked on at once",
            (o, text) => o.Jobs.Concurrency = Number(text, 1, 1000)),
        new("Jobs:MaxWaiting", null, "1000", "Jobs that may wait, scheduled or queued, before further ones are refused",
            (o, text) => o.Jobs.MaxWaiting = Number(text, 1, 100_000)),
        new("Jobs:History", null, "30d", "How long an ended job can be asked for",
            (o, text) => o.Jobs.History = Duration(text, TimeSpan.FromHours(1))),
        new("Quota:Tier", null, "none", "Quota and throttles of a tier of the service: none, F1, S1, S2 or S3",
            (o, text) => o.Quota.Tier = Choice<QuotaTier>(text)),
        new("Quota:Units", null, "1", "Units of the tier, 1 to 200; F1 has one", (o, text) => o.Quota.Units = Number(text, 1, 200)),
        new("Quota:DailyMessages", null, "the tier's", "Messages of a day, in blocks of Quota:BlockBytes; off lifts it",
            (o, text) => o.Quota.SetDaily(text)),
        new("Quota:BlockBytes", null, "4096, of F1 512", "What counts as one message; a larger one counts for each block that is begun",
            (o, text) => o.Quota.BlockBytes = Number(text, 1, 1_048_576)),
        new("Quota:MaxDelay", null, "10s", "How long what is over its rate is kept waiting; 0s refuses at once",
            (o, text) => o.Quota.MaxDelay = Duration(text, TimeSpan.Zero)),
        new("Quota:Backlog", null, "what Quota:MaxDelay holds", "How many of an operation wait before further ones are refused",
            (o, text) => o.Quota.Backlog = Number(text, 0, 1_000_000)),
        LimitRow(Metered.Connects, "Devices that connect"),
        LimitRow(Metered.TelemetrySends, "Device-to-cloud sends"),
        LimitRow(Metered.CommandSends, "Commands sent"),
        LimitRow(Metered.CommandReceives, "Commands asked for over HTTPS"),
        LimitRow(Metered.RegistryOperations, "Identities read and changed"),
        LimitRow(Metered.TwinReads, "Twins read, by devices and back ends"),
        LimitRow(Metered.TwinUpdates, "Twins changed, by devices and back ends"),
        LimitRow(Metered.Methods, "Direct methods, in blocks of 4 KB of payload"),
        LimitRow(Metered.Queries, "Pages of queries"),
        LimitRow(Metered.JobOperations, "Jobs created, read, listed and cancelled"),
        LimitRow(Metered.JobDeviceOperations, "Devices that jobs work on; what is more waits"),
        LimitRow(Metered.ConfigurationOperations, "Configurations read and changed"),
        new("Log:Format", "--log", "text", "Console log: text or json", (o, text) => o.Log.Format = Choice<ConsoleFormat>(text)),
        new("Log:Level", "--log-level", "information", "Least level shown: trace, debug, information, warning, error",
            (o, text) => o.Log.Level = Choice<LogLevel>(text)),
        new("Heartbeats:ExpectedEvery", null, "10m", "How often a device is to be heard that no rule names; 0 for no watch",
            (o, text) => o.Heartbeats.ExpectedEvery = Duration(text, TimeSpan.Zero)),
        new("Heartbeats:StoreMessages", null, "false", "Store empty messages with the heartbeat property as telemetry, too",
            (o, text) => o.Heartbeats.StoreMessages = Flag(text)),
        new("Heartbeats:GroupTag", null, "site", "Tag whose devices fall silent together, such as place.gateway",
            (o, text) => o.Heartbeats.GroupTag = text),
        new("Heartbeats:GroupPercent", null, "20", "Share of a group that falls silent within a minute to make one alert of it",
            (o, text) => o.Heartbeats.GroupPercent = Number(text, 1, 100)),
        new("Heartbeats:GroupLeast", null, "20", "Devices of it that do, at least",
            (o, text) => o.Heartbeats.GroupLeast = Number(text, 1, 1_000_000)),
        new("Operations:Connections", null, "error", "Operations events of connections: none, error (what failed) or information (all)",
            (o, text) => o.Operations.Connections = Choice<OperationsLevel>(text)),
        new("Operations:Commands", null, "error", "Operations events of commands: none or error (refused, expired, given back too often); information is the same",
            (o, text) => o.Operations.Commands = Choice<OperationsLevel>(text)),
        new("Operations:Telemetry", null, "error", "Operations events of devices' messages: none or error (refused ones); information is the same",
            (o, text) => o.Operations.Telemetry = Choice<OperationsLevel>(text)),
        new("Operations:Identities", null, "error", "Operations events of requests about identities: none, error (refused ones) or information (all)",
            (o, text) => o.Operations.Identities = Choice<OperationsLevel>(text)),
        new("Metrics:OtlpEndpoint", "--otlp", "OTEL_EXPORTER_OTLP_ENDPOINT", "Export metrics with OTLP to this URL",
            (o, text) => o.Metrics.OtlpEndpoint = Url(text)),
        new("Testing:FaultInjection", null, "false", "Let devices ask for faults of their own connections; for test hubs only",
            (o, text) => o.Testing.FaultInjection = Flag(text)),
    ];

    /// <summary>The option of that name, upper or lower case.</summary>
    public static OptionRow? Find(string name) =>
        Rows.FirstOrDefault(row => row.Name.Equals(name, StringComparison.OrdinalIgnoreCase));

    /// <summary>The known option that a mistyped name is nearest to, or null when none is near.</summary>
    public static string? Nearest(string name) => OptionValue.Nearest(name, Rows.Select(row => row.Name));

    /// <summary>Why there is no such option, where somebody might look for it on purpose; null for other names.</summary>
    public static string? WhyRefused(string name) =>
        name.ToUpperInvariant() is "EVENTS:SYNC" or "EVENTS:UNSYNCED"
            ? "each event is on disk before it is acknowledged, and nothing turns that off (./nave bench latency measures what it costs)"
            : null;

    /// <summary>Reads a duration as options write it; null when it is none.</summary>
    public static TimeSpan? TryReadDuration(string text) => OptionText.TryDuration(text);

    private static OptionRow LimitRow(Metered operation, string meaning) => new(
        operation.Option(), null, "the tier's", meaning + ", such as 100/s or 20/min; off lifts it", (o, text) => o.Quota.Set(operation, text));

    private static List<string> Paths(string text)
    {
        List<string> paths = [.. text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];
        paths.ForEach(Queries.QueryIndexes.CheckPath);
        return paths;
    }
}

/// <summary>One option.</summary>
/// <param name="Name"><c>Section:PascalCase</c>.</param>
/// <param name="Flag">On the command line of <c>nave up</c>, or null.</param>
/// <param name="Default">For people.</param>
/// <param name="Meaning">For people, one line.</param>
/// <param name="Set">Puts the text's value into the options; throws <see cref="FormatException"/>.</param>
public sealed record OptionRow(string Name, string? Flag, string Default, string Meaning, Action<HubOptions, string> Set)
{
    /// <summary>Several values, separated by commas or given several times.</summary>
    public bool IsList { get; init; }

    /// <summary>The flag takes no value.</summary>
    public bool IsSwitch { get; init; }

    /// <summary>The name of its environment variable.</summary>
    public string EnvironmentVariable => "NAVE__" + Name.Replace(":", "__", StringComparison.Ordinal);
}
