using System.Diagnostics.CodeAnalysis;
using Nave.Protocol.Access;

namespace Nave.PskGateway.Upstream;

/// <summary>The policy with DeviceConnect in whose name the gateway acts for its devices. Never prints the key.</summary>
internal sealed class HubPolicy
{
    private readonly string _key;

    private HubPolicy(string hostName, int? port, string name, string key)
    {
        HostName = hostName;
        Port = port;
        Name = name;
        _key = key;
    }

    /// <summary>The hub's name, without port.</summary>
    public string HostName { get; }

    /// <summary>The port behind the name, or null.</summary>
    public int? Port { get; }

    /// <summary>The policy's name.</summary>
    public string Name { get; }

    /// <summary>Reads a policy's connection string; <paramref name="problem"/> never shows the key.</summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out HubPolicy? policy, [NotNullWhen(false)] out string? problem)
    {
        policy = null;
        if (!ConnectionString.TryParse(text, out var connection, out problem))
        {
            return false;
        }

        if (connection is not { SharedAccessKeyName: { } name, SharedAccessKey: { } key, Identity: null, IsEventsEndpoint: false })
        {
            problem = "This needs the connection string of a policy: HostName=…;SharedAccessKeyName=…;SharedAccessKey=….";
            return false;
        }

        policy = new HubPolicy(connection.Host, connection.Port, name, key);
        return true;
    }

    /// <summary>Signs a token for a resource, nothing encoded.</summary>
    public string Mint(string resource, DateTimeOffset expiresAt) => SasToken.Mint(resource, _key, expiresAt, Name);

    /// <inheritdoc/>
    public override string ToString() => $"policy '{Name}' of {HostName}";
}
