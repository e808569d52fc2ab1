using System.Diagnostics;
using Nave.Bench.Linux;
using Nave.Bench.Load;

namespace Nave.Bench.Scenarios;

/// <summary>The disk under the data directory: its file system, and what a sync of 4 KB costs in a zero-filled file.</summary>
internal sealed record DiskReport(string Directory, string FileSystem, double SyncP50Microseconds, double SyncP99Microseconds)
{
    private const int BlockBytes = 4096;
    private const int Syncs = 500;
    private const double FastestRealDisk = 20;

    /// <summary>Why durable figures from this disk mean nothing, or null.</summary>
    public string? Problem =>
        FileSystem is "tmpfs" or "ramfs"
            ? $"{Directory} is on {FileSystem}: nothing there is durable. Give a directory on a disk with --data."
        : SyncP50Microseconds < FastestRealDisk
            ? $"a 4 KB fdatasync takes {SyncP50Microseconds:0.0} us at {Directory}: no disk is that fast, so it does not sync."
        : null;

    public static DiskReport Measure(string directory)
    {
        var latencies = new LatencyHistogram();
        var path = Path.Combine(directory, "sync-probe");
        using (var file = File.OpenHandle(path, FileMode.Create, FileAccess.Write, FileShare.None, FileOptions.DeleteOnClose))
        {
            RandomAccess.Write(file, new byte[Syncs * BlockBytes], 0);
            RandomAccess.FlushToDisk(file);
            var block = new byte[BlockBytes];
            block.AsSpan().Fill((byte)'x');
            for (var i = 0; i < Syncs; i++)
            {
                var begun = Stopwatch.GetTimestamp();
                RandomAccess.Write(file, block, (long)i * BlockBytes);
                _ = Libc.SyncData((int)file.DangerousGetHandle());
                latencies.Record((long)Stopwatch.GetElapsedTime(begun).TotalNanoseconds);
            }
        }

        return new DiskReport(
            directory,
            MountTable.FileSystemOf(directory, File.ReadAllLines("/proc/self/mountinfo")),
            Math.Round(latencies.Percentile(0.5) / 1e3, 1),
            Math.Round(latencies.Percentile(0.99) / 1e3, 1));
    }
}
