using System.Globalization;

namespace Nave.Bench.Linux;

/// <summary>What the kernel says of memory at one moment, in bytes.</summary>
/// <param name="Available">What programs could still have: MemAvailable of /proc/meminfo.</param>
/// <param name="Slab">Objects of the kernel, sockets, files and epoll entries among them; null where the kernel does not tell (a sandbox).</param>
/// <param name="TcpBuffers">What is in TCP's queues: "mem" of /proc/net/sockstat; null as well.</param>
internal readonly record struct KernelMemory(long Available, long? Slab, long? TcpBuffers)
{
    private const long KiB = 1024;
    private const string SocketStatistics = "/proc/net/sockstat";

    /// <summary>What sockets take, and whatever else the kernel took meanwhile.</summary>
    public long? Sockets => Slab + TcpBuffers;

    public static KernelMemory Read() => Parse(
        File.ReadAllLines("/proc/meminfo"), File.Exists(SocketStatistics) ? File.ReadAllLines(SocketStatistics) : null, Environment.SystemPageSize);

    /// <summary>Reads the lines of both files (proc(5)).</summary>
    public static KernelMemory Parse(IReadOnlyList<string> memoryInfo, IReadOnlyList<string>? socketStatistics, int pageBytes)
    {
        var available = KibibytesOf(memoryInfo, "MemAvailable:") * KiB;
        if (socketStatistics is null)
        {
            return new KernelMemory(available, null, null);
        }

        var tcp = (socketStatistics.FirstOrDefault(line => line.StartsWith("TCP:", StringComparison.Ordinal))
            ?? throw new FormatException("sockstat has no TCP line")).Split(' ');
        return new KernelMemory(
            available,
            KibibytesOf(memoryInfo, "Slab:") * KiB,
            Number(tcp[Array.IndexOf(tcp, "mem") + 1]) * pageBytes);
    }

    private static long KibibytesOf(IReadOnlyList<string> memoryInfo, string name) =>
        Number((memoryInfo.FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal)) ?? throw new FormatException($"meminfo has no {name}"))
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]);

    private static long Number(string text) => long.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);
}
