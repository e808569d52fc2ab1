using System.Globalization;
using Nave.Bench.Linux;

namespace Nave.Bench.Scenarios;

/// <summary>Settings of the machine that so many connections need, looked at before anything is begun.</summary>
internal static class MachineLimits
{
    private const int Spare = 10_000;

    /// <exception cref="PeerUnavailableException">Something is too low; the message says what to set.</exception>
    public static void Ensure(int connections)
    {
        // Both ends of each connection are on this machine.
        var problems = new[]
        {
            Problem("fs.nr_open", connections + Spare, "/proc/sys/fs/nr_open"),
            Problem("fs.file-max", (2L * connections) + Spare, "/proc/sys/fs/file-max"),
            IsTrackingConnections() ? Problem("net.netfilter.nf_conntrack_max", connections + Spare, "/proc/sys/net/netfilter/nf_conntrack_max") : null,
        }.OfType<string>().ToList();
        if (problems.Count > 0)
        {
            throw new PeerUnavailableException($"{connections} connections need more than this machine is set to: {string.Join("; ", problems)}");
        }

        FileLimit.Ensure(connections);
    }

    /// <summary>What is to be set, or null when the file says enough.</summary>
    public static string? Problem(string name, long needed, string file) =>
        File.Exists(file)
        && long.TryParse(File.ReadAllText(file), NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out var value) && value < needed
            ? string.Create(CultureInfo.InvariantCulture, $"sysctl {name}={needed} (it is {value})")
            : null;

    private static bool IsTrackingConnections() =>
        File.Exists("/proc/sys/net/netfilter/nf_conntrack_count")
        && File.ReadAllText("/proc/sys/net/netfilter/nf_conntrack_count").Trim() is not "0";
}
