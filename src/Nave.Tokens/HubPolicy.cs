using System.Diagnostics.CodeAnalysis;
using Nave.Protocol.Access;

namespace Nave.Tokens;

/// <summary>The hub that tokens are for, and the policy they are signed with. Never prints the key.</summary>
public sealed class HubPolicy
{
    private HubPolicy(string host, int httpsPort, string name, string key)
    {
        Host = host;
        HttpsPort = httpsPort;
        Name = name;
        Key = key;
    }

    /// <summary>The hub's host name, without port: what tokens are scoped to.</summary>
    public string Host { get; }

    /// <summary>Where its REST API is asked about the policy.</summary>
    public int HttpsPort { get; }

    /// <summary>The policy's name.</summary>
    public string Name { get; }

    /// <summary>Base64.</summary>
    internal string Key { get; }

    /// <summary>Reads a policy's connection string.</summary>
    /// <param name="text"><c>HostName=…;SharedAccessKeyName=…;SharedAccessKey=…</c>.</param>
    /// <param name="httpsPort">The REST API's port, if the host name names none.</param>
    /// <param name="policy">The policy.</param>
    /// <param name="problem">Why it is none; never shows the key.</param>
    public static bool TryParse(
        string? text, int httpsPort, [NotNullWhen(true)] out HubPolicy? policy, [NotNullWhen(false)] out string? problem)
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

        if (!SharedAccessKey.IsValid(key))
        {
            problem = $"The SharedAccessKey of the policy '{name}' is not {SharedAccessKey.Rule}.";
            return false;
        }

        policy = new HubPolicy(connection.Host, connection.Port ?? httpsPort, name, key);
        return true;
    }

    /// <inheritdoc/>
    public override string ToString() => $"policy '{Name}' of {Host}";
}
