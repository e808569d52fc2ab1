using Nave.Hub.Hosting;
using Nave.Protocol.Access;

namespace Nave.Cli.Hubs;

/// <summary>The hub that a command speaks to: the local one, found by its <c>connection.json</c>, or any other by connection string.</summary>
internal sealed record HubTarget
{
    private const string ServicePolicy = "iothubowner";

    /// <summary>Without port.</summary>
    public required string Host { get; init; }

    /// <summary>MQTT over TLS.</summary>
    public int MqttsPort { get; init; } = 8883;

    /// <summary>AMQP over TLS.</summary>
    public int AmqpsPort { get; init; } = 5671;

    /// <summary>REST.</summary>
    public int HttpsPort { get; init; } = 443;

    /// <summary>The authority to trust, PEM; null for those of the system.</summary>
    public string? CaCertificate { get; init; }

    /// <summary>What REST calls are signed with.</summary>
    public required ConnectionString Service { get; init; }

    /// <summary>The events endpoint; null when it has to be asked for (a hub's own connection string).</summary>
    public ConnectionString? Events { get; init; }

    /// <summary>The local hub's policies, by name.</summary>
    public IReadOnlyDictionary<string, string> Policies { get; init; } = new Dictionary<string, string>();

    /// <summary>The local hub's data directory; null for any other.</summary>
    public string? DataDirectory { get; init; }

    /// <summary>A local hub as its <c>connection.json</c> describes it.</summary>
    public static HubTarget Of(ConnectionFile connection, string dataDirectory) => new()
    {
        Host = HubNames.WithoutPort(connection.HostName),
        MqttsPort = connection.Ports.Mqtts,
        AmqpsPort = connection.Ports.Amqps,
        HttpsPort = connection.Ports.Https,
        CaCertificate = connection.CaCertificate,
        Service = ConnectionString.Parse(connection.Policies[ServicePolicy]),
        Events = ConnectionString.Parse(connection.Events),
        Policies = connection.Policies,
        DataDirectory = dataDirectory,
    };

    /// <summary>Any hub by connection string; a port behind the host name is the one that is meant, whatever the protocol.</summary>
    /// <exception cref="CommandFailedException">It is none.</exception>
    public static HubTarget Of(string login, string? caCertificate)
    {
        if (!ConnectionString.TryParse(login, out var connection, out var problem))
        {
            throw new CommandFailedException($"--login: {problem}", isUsage: true);
        }

        var target = new HubTarget
        {
            Host = connection.Host,
            Service = connection,
            Events = connection.IsEventsEndpoint ? connection : null,
            CaCertificate = caCertificate,
        };
        return connection.Port is { } port ? target with { MqttsPort = port, AmqpsPort = port, HttpsPort = port } : target;
    }

    /// <summary>The running hub of a data directory.</summary>
    /// <exception cref="CommandFailedException">None runs there.</exception>
    public static HubTarget OfDataDirectory(string dataDirectory) => TryOfDataDirectory(dataDirectory) ?? throw new CommandFailedException(
        $"No hub is running with the data directory {Path.GetFullPath(dataDirectory)}. Start it with 'nave up', "
        + "point to another with --data DIR or NAVE_DATA, or use --login with the connection string of a hub elsewhere.");

    /// <summary>The same, or null.</summary>
    public static HubTarget? TryOfDataDirectory(string dataDirectory) =>
        ConnectionFile.Find(dataDirectory) is { } connection ? Of(connection, Path.GetFullPath(dataDirectory)) : null;
}
