using System.Runtime.InteropServices;

namespace Nave.Bench.Scenarios;

/// <summary>Where a run took place.</summary>
internal sealed record MachineReport(
    string Processor, int Cores, double MemoryGiB, string Kernel, string System, string Runtime, string LoadAverage)
{
    public static MachineReport Read() => new(
        ValueOf("/proc/cpuinfo", "model name"),
        Environment.ProcessorCount,
        Math.Round(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (1024.0 * 1024 * 1024), 1),
        File.ReadAllText("/proc/sys/kernel/osrelease").Trim(),
        ValueOf("/etc/os-release", "PRETTY_NAME").Trim('"'),
        RuntimeInformation.FrameworkDescription,
        File.ReadAllText("/proc/loadavg").Trim());

    private static string ValueOf(string file, string name) =>
        File.Exists(file)
            ? File.ReadLines(file)
                .Select(line => line.Split([':', '='], 2, StringSplitOptions.TrimEntries))
                .FirstOrDefault(pair => pair.Length is 2 && pair[0] == name)?[1] ?? "unknown"
            : "unknown";
}
