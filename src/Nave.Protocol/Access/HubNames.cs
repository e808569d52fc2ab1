namespace Nave.Protocol.Access;

/// <summary>
/// The names that a hub answers to: in Host headers, token audiences, MQTT user names and its certificate (design.md 3).
/// Compared without case; a port behind the name does not count.
/// </summary>
public sealed class HubNames
{
    private readonly HashSet<string> _names;

    /// <param name="primary">The name that is printed into connection strings; a DNS name or an IP address.</param>
    /// <param name="aliases">Further names.</param>
    public HubNames(string primary, IEnumerable<string> aliases)
    {
        Primary = primary;
        All = [.. aliases.Prepend(primary).Distinct(StringComparer.OrdinalIgnoreCase)];
        _names = new HashSet<string>(All.Select(WithoutPort), StringComparer.OrdinalIgnoreCase);
    }

    /// <summary>The name that is printed.</summary>
    public string Primary { get; }

    /// <summary>All names, the printed one first.</summary>
    public IReadOnlyList<string> All { get; }

    /// <summary>Whether the host, with or without <c>:port</c>, is one of these names.</summary>
    public bool Contains(string host) => _names.Contains(WithoutPort(host));

    /// <summary>The host without <c>:port</c> and without the brackets of an IPv6 address.</summary>
    public static string WithoutPort(string host)
    {
        if (host.StartsWith('[') && host.IndexOf(']') is var bracket and > 0)
        {
            return host[1..bracket];
        }

        // More than one colon without brackets is an IPv6 address.
        var colon = host.IndexOf(':');
        return colon >= 0 && colon == host.LastIndexOf(':') ? host[..colon] : host;
    }

    /// <inheritdoc/>
    public override string ToString() => string.Join(", ", All);
}
