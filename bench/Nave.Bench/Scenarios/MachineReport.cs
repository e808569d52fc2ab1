using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Nave.Bench.Linux;

namespace Nave.Bench.Scenarios;

/// <summary>Where a run took place.</summary>
/// <param name="SystemCallMicroseconds">
/// CPU time of the cheapest system call. Under some hypervisors it is ten times a bare machine's, which costs a server
/// that makes several calls a message more than one that makes few.
/// </param>
internal sealed record MachineReport(
    string Processor, int Cores, double MemoryGiB, string Kernel, string System, string Runtime, string LoadAverage, double SystemCallMicroseconds)
{
    private const int SystemCalls = 100_000;

    public static MachineReport Read() => new(
        ValueOf("/proc/cpuinfo", "model name"),
        Environment.ProcessorCount,
        Math.Round(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (1024.0 * 1024 * 1024), 1),
        ReadKernel(),
        ValueOf("/etc/os-release", "PRETTY_NAME").Trim('"'),
        RuntimeInformation.FrameworkDescription,
        File.ReadAllText("/proc/loadavg").Trim(),
        MeasureSystemCall());

    private static string ReadKernel() =>
        File.Exists("/proc/sys/kernel/osrelease") // A sandbox has none, and says what it stands in for.
            ? File.ReadAllText("/proc/sys/kernel/osrelease").Trim()
            : string.Create(CultureInfo.InvariantCulture, $"{Environment.OSVersion.Version} of a sandbox");

    private static double MeasureSystemCall()
    {
        using var self = Process.GetCurrentProcess();
        var before = self.TotalProcessorTime;
        for (var i = 0; i < SystemCalls; i++)
        {
            _ = Libc.ParentProcess();
        }

        self.Refresh();
        return Math.Round((self.TotalProcessorTime - before).TotalMicroseconds / SystemCalls, 2);
    }

    private static string ValueOf(string file, string name) =>
        File.Exists(file)
            ? File.ReadLines(file)
                .Select(line => line.Split([':', '='], 2, StringSplitOptions.TrimEntries))
                .FirstOrDefault(pair => pair.Length is 2 && pair[0] == name)?[1] ?? "unknown"
            : "unknown";
}
