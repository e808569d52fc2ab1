using System.Net;

namespace Nave.Bench.Load;

/// <summary>One run of the generator.</summary>
internal sealed record LoadOptions
{
    public static readonly TimeSpan UsualConnectTimeout = TimeSpan.FromSeconds(30);

    public required IPEndPoint Target { get; init; }

    /// <summary>The name for TLS: sent as SNI and, with a CA file, checked against the certificate.</summary>
    public required string Host { get; init; }

    public int Connections { get; init; } = 100;

    /// <summary>The device of the first connection, from 0: several runs may share a credentials file.</summary>
    public int First { get; init; }

    /// <summary>Connections that only stay connected.</summary>
    public int IdleConnections { get; init; }

    public int Qos { get; init; } = 1;

    public int PayloadBytes { get; init; } = 256;

    /// <summary>The payload itself, instead of so many bytes.</summary>
    public byte[]? Payload { get; init; }

    /// <summary>Unacknowledged publishes a connection; with QoS 0 the publishes between two PINGREQs.</summary>
    public int Window { get; init; } = 10;

    public TimeSpan WarmUp { get; init; } = TimeSpan.FromSeconds(2);

    public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>How long the last acknowledgements are waited for.</summary>
    public TimeSpan Drain { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Messages a second over all connections, evenly spread; null: as fast as acknowledgements come.</summary>
    public double? Rate { get; init; }

    /// <summary>Connect, CONNACK, DISCONNECT and again, on each connection, instead of publishing.</summary>
    public bool Churn { get; init; }

    public bool Tls { get; init; }

    public string? CaFile { get; init; }

    public int? TlsVersion { get; init; }

    public Template Id { get; init; } = new("bench-{n}");

    public Template Topic { get; init; } = new("devices/{id}/messages/events/");

    public Template ClientId { get; init; } = new("{id}");

    public Template? UserName { get; init; }

    public Template? Password { get; init; }

    public IReadOnlyList<DeviceCredential> Credentials { get; init; } = [];

    public IReadOnlyList<IPAddress> Sources { get; init; } = [];

    public ushort KeepAliveSeconds { get; init; } = 300;

    /// <summary>Connects under way at once.</summary>
    public int ConnectParallel { get; init; } = 64;

    public TimeSpan ConnectTimeout { get; init; } = UsualConnectTimeout;

    public int Threads { get; init; } = 1;

    /// <summary>The server under test, for its CPU and memory.</summary>
    public int? ServerPid { get; init; }

    public int AllConnections => Connections + IdleConnections;

    /// <summary>What is wrong with these options, or null.</summary>
    public string? Problem =>
        AllConnections < 1 ? "there must be at least one connection"
        : Qos is not (0 or 1) ? "QoS is 0 or 1"
        : Window is < 1 or > ushort.MaxValue ? "the window is 1 to 65535"
        : PayloadBytes is < 0 or > 256 * 1024 ? "the payload is 0 to 262144 bytes"
        : Threads is < 1 or > 16 ? "threads are 1 to 16"
        : Rate is <= 0 ? "the rate is more than 0"
        : Duration <= TimeSpan.Zero || WarmUp < TimeSpan.Zero ? "the duration must be positive, the warm-up not negative"
        : Churn && IdleConnections > 0 ? "churn has no idle connections"
        : First < 0 ? "the first device is 0 or more"
        : Credentials.Count > 0 && Credentials.Count < First + AllConnections
            ? $"{AllConnections} connections from {First} on need as many credentials; the file has {Credentials.Count}"
        : null;

    public DeviceCredential CredentialOf(int connection)
    {
        var number = First + connection;
        var given = Credentials.Count > 0 ? Credentials[number] : null;
        var id = given?.Id ?? Id.Fill(string.Empty, number);
        return new DeviceCredential(
            id,
            UserName?.Fill(id, number) ?? given?.Username,
            Password?.Fill(id, number) ?? given?.Password);
    }
}
