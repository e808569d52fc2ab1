using System.Globalization;
using Nave.Bench.Load;
using Spectre.Console;

namespace Nave.Bench.Scenarios;

/// <summary>A case of a scenario: what it is called, and the generator's arguments for it.</summary>
internal sealed record ScenarioCase(string Name, IReadOnlyList<string> LoadArguments);

/// <summary>
/// Runs every peer under every case, round after round, so that what the machine does meanwhile meets all of them.
/// Each run has a fresh server and a fresh generator process.
/// </summary>
internal sealed class InterleavedRuns(
    IReadOnlyList<IPeer> peers, IReadOnlyList<ScenarioCase> cases, int rounds, PeerSetting setting, IAnsiConsole progress)
{
    private readonly List<DiskReport> _disks = [];

    /// <summary>The disk, probed before each round: medians.</summary>
    public DiskReport Disk => _disks[0] with
    {
        SyncP50Microseconds = Spread.Of(_disks.Select(disk => disk.SyncP50Microseconds)).Median,
        SyncP99Microseconds = Spread.Of(_disks.Select(disk => disk.SyncP99Microseconds)).Median,
    };

    public async Task<IReadOnlyList<PeerRun>> RunAsync(CancellationToken stopping)
    {
        var runs = new List<PeerRun>();
        var all = rounds * cases.Count * peers.Count;
        var begun = setting.Time.GetTimestamp();
        for (var round = 1; round <= rounds; round++)
        {
            _disks.Add(DiskReport.Measure(setting.Directory));
            foreach (var one in cases)
            {
                foreach (var peer in peers)
                {
                    var report = await RunOneAsync(peer, one, stopping);
                    runs.Add(new PeerRun(peer.Name, one.Name, round, report));
                    var left = setting.Time.GetElapsedTime(begun) / runs.Count * (all - runs.Count);
                    progress.MarkupLineInterpolated(CultureInfo.InvariantCulture,
                        $"[grey]{runs.Count,3}/{all}, {left:m\\:ss} left[/]  round {round}, {one.Name}, {peer.Name}: {report.AcknowledgedPerSecond:N0}/s, {report.Server?.CpuSecondsPerMillion:0.0} CPU-s/M, p99 {report.Acknowledgement.P99Ms:0.0} ms{Trouble(report)}");
                }
            }
        }

        return runs;
    }

    private static string Trouble(LoadReport report) =>
        report.Errors is 0 ? string.Empty : $", {report.Errors} errors ({report.FirstError})";

    private async Task<LoadReport> RunOneAsync(IPeer peer, ScenarioCase one, CancellationToken stopping)
    {
        await using var server = await peer.StartAsync(setting, stopping);
        return await Generator.RunAsync(server, peer.Name, one.LoadArguments, stopping);
    }
}
