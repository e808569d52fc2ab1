using System.Net;

namespace Nave.Hub.Hosting;

/// <summary>The names that a hub goes by when nobody chose any (design.md 3).</summary>
public static class HostNames
{
    /// <summary>The configured names, or the default set; the first one is printed.</summary>
    /// <param name="configured">What the operator asked for.</param>
    /// <param name="boundTo">The address listened on.</param>
    /// <param name="machine">The machine's name.</param>
    public static IReadOnlyList<string> Of(IReadOnlyList<string> configured, IPAddress boundTo, string machine) =>
        configured.Count > 0 ? configured : [.. DefaultSet(boundTo, machine).Distinct(StringComparer.OrdinalIgnoreCase)];

    private static IEnumerable<string> DefaultSet(IPAddress boundTo, string machine)
    {
        // On a loopback address of its own the hub is one of several on this machine: `localhost` would lead to another.
        if (IPAddress.IsLoopback(boundTo) && !boundTo.Equals(IPAddress.Loopback) && !boundTo.Equals(IPAddress.IPv6Loopback))
        {
            yield return boundTo.ToString();
        }

        yield return "localhost";
        if (Uri.CheckHostName(machine) is UriHostNameType.Dns)
        {
            yield return machine.ToLowerInvariant();
        }

        // The C SDK refuses a name without a dot: 127.0.0.1 is one with dots.
        yield return boundTo.Equals(IPAddress.Any) || boundTo.Equals(IPAddress.IPv6Any)
            ? IPAddress.Loopback.ToString()
            : boundTo.ToString();
    }
}
