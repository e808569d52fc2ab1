namespace Nave.PskGateway.Upstream;

/// <summary>What the hub side of the gateway has to be told. The defaults suit Nave's hub and Azure's.</summary>
internal sealed record UpstreamOptions
{
    /// <summary>Devices on one AMQP connection: "at most 500 devices each" (issue 5, item 2).</summary>
    public const int MaxDevices = 500;

    /// <summary>The connection string of the policy with DeviceConnect.</summary>
    public required string ConnectionString { get; init; }

    /// <summary>Where to connect if not to the host of <see cref="ConnectionString"/>.</summary>
    public string? ConnectTo { get; init; }

    /// <summary>AMQP over TLS; a port in <see cref="ConnectionString"/> goes before it (spec/device-amqp.md 1).</summary>
    public int Port { get; init; } = 5671;

    /// <summary>The authority to trust, PEM; null for those of the system.</summary>
    public string? CaFile { get; init; }

    /// <summary>Whether each device has a token of its own, signed with the policy, instead of one for the whole hub.</summary>
    public bool UsesDeviceTokens { get; init; }

    /// <summary>Devices on one connection.</summary>
    public int DevicesPerConnection { get; init; } = MaxDevices;

    /// <summary>How long a token lives: what the SDKs ask for (spec/device-amqp.md 3.4).</summary>
    public TimeSpan TokenLife { get; init; } = TimeSpan.FromHours(1);

    /// <summary>For TCP, TLS, OPEN and the first token together.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>For the hub to answer an attach, a token or a request about a twin.</summary>
    public TimeSpan AnswerTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>For the hub to give a message its outcome; the C# SDK waits as long.</summary>
    public TimeSpan SendTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a connection without a device stays open: one that comes back saves a handshake.</summary>
    public TimeSpan EmptyFor { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The longest span between two attempts to connect.</summary>
    public TimeSpan LongestBackoff { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Messages of one device without an outcome. A hub grants at least 100 (spec/device-amqp.md 4.2).</summary>
    public int PendingSendsPerDevice { get; init; } = 100;

    /// <summary>Bytes of all devices without an outcome, bodies and properties: what a hub that stalls makes the gateway hold.</summary>
    public int PendingSendBytes { get; init; } = 32 * 1024 * 1024;
}
