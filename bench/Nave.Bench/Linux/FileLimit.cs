using Nave.Bench.Scenarios;

namespace Nave.Bench.Linux;

/// <summary>How many files a process may have open, which children inherit: each connection is one.</summary>
internal static class FileLimit
{
    private const int Spare = 1000; // The server's own, and connections that a run closes late.

    /// <summary>Raises the limit of this process as far as it needs; root may do so beyond the hard limit.</summary>
    /// <exception cref="PeerUnavailableException">It may not; the message says what to set.</exception>
    public static unsafe void Ensure(int connections)
    {
        var needed = (ulong)(connections + Spare);
        Libc.ResourceLimit limit;
        _ = Libc.GetLimit(Libc.LimitOpenFiles, &limit);
        if (limit.Current >= needed)
        {
            return;
        }

        var raised = new Libc.ResourceLimit { Current = needed, Largest = Math.Max(needed, limit.Largest) };
        if (Libc.SetLimit(Libc.LimitOpenFiles, &raised) is not 0)
        {
            throw new PeerUnavailableException(
                $"{connections} connections need {needed} open files and this process may have {limit.Largest}: run `ulimit -n {needed}` first, as root "
                + $"or within what /etc/security/limits.conf allows (and `sysctl fs.nr_open={needed}` when that is lower).");
        }
    }
}
