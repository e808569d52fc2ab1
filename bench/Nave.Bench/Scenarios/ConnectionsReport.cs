using Nave.Bench.Load;

namespace Nave.Bench.Scenarios;

/// <summary>What <c>bench connections</c> measured and where.</summary>
/// <param name="Demands">What is demanded of these figures, and whether they meet it.</param>
internal sealed record ConnectionsReport(
    DateTimeOffset StartedAt,
    IReadOnlyList<string> Void,
    MachineReport Machine,
    DiskReport Disk,
    IReadOnlyDictionary<string, string> Versions,
    IReadOnlyDictionary<string, string> Settings,
    IReadOnlyList<Demand> Demands,
    IReadOnlyList<ConnectionsRow> Rows,
    IReadOnlyList<ConnectionsRun> Runs) : IScenarioResult;

/// <summary>One fresh process of a server: every connection for the first time, and all of them again.</summary>
/// <param name="Transport">plain or tls.</param>
/// <param name="Cold">No device was there before; then they stay.</param>
/// <param name="Warm">The same devices once more.</param>
internal sealed record ConnectionsRun(string Peer, string Transport, int Round, LoadReport Cold, LoadReport Warm)
{
    /// <summary>Growth of the server's resident memory from before the first connect until all have rested.</summary>
    public double BytesEach => Cold is { Server: { } server, Connected: > 0 and var connected }
        ? Math.Round((server.ResidentBytesAtEnd - server.ResidentBytesBeforeConnect) / (double)connected)
        : 0;
}

/// <summary>All rounds of one server on one transport: medians with their spread.</summary>
internal sealed record ConnectionsRow(
    string Peer,
    string Transport,
    Spread BytesEach,
    Spread ColdConnectsPerSecond,
    Spread ColdCpuMilliseconds,
    Spread WarmConnectsPerSecond,
    Spread WarmCpuMilliseconds,
    Spread ConnectP99Ms,
    Spread OtherCores,
    long Errors,
    string? FirstError)
{
    /// <summary>One row for each server and transport.</summary>
    public static IReadOnlyList<ConnectionsRow> Of(IReadOnlyList<ConnectionsRun> runs) =>
        [.. runs.GroupBy(run => (run.Transport, run.Peer)).Select(group => Of(group.Key.Peer, group.Key.Transport, [.. group]))];

    private static ConnectionsRow Of(string peer, string transport, ConnectionsRun[] runs) => new(
        peer,
        transport,
        Spread.Of(runs.Select(run => run.BytesEach)),
        Spread.Of(runs.Select(run => run.Cold.ConnectsPerSecond)),
        Spread.Of(runs.Select(run => run.Cold.Server?.CpuMillisecondsPerConnect ?? 0)),
        Spread.Of(runs.Select(run => run.Warm.ConnectsPerSecond)),
        Spread.Of(runs.Select(run => run.Warm.Server?.CpuMillisecondsPerConnect ?? 0)),
        Spread.Of(runs.Select(run => run.Cold.Connect.P99Ms)),
        Spread.Of(runs.Select(run => run.Cold.OtherCores)),
        runs.Sum(run => run.Cold.Errors + run.Warm.Errors),
        runs.Select(run => run.Cold.FirstError ?? run.Warm.FirstError).FirstOrDefault(error => error is not null));
}
