using Nave.Bench.Load;

namespace Nave.Bench.Scenarios;

/// <summary>Everything a scenario measured and where, for comparing runs.</summary>
/// <param name="Void">Why the figures must not be used; empty when they may.</param>
/// <param name="Demands">What is demanded of these figures, and whether they meet it.</param>
internal sealed record ScenarioReport(
    string Scenario,
    DateTimeOffset StartedAt,
    IReadOnlyList<string> Void,
    MachineReport Machine,
    DiskReport Disk,
    IReadOnlyDictionary<string, string> Versions,
    IReadOnlyDictionary<string, string> Settings,
    IReadOnlyList<Demand> Demands,
    IReadOnlyList<ScenarioRow> Rows,
    IReadOnlyList<PeerRun> Runs) : IScenarioResult;

/// <summary>One run: a fresh process of a peer under one case of the scenario.</summary>
internal sealed record PeerRun(string Peer, string Case, int Round, LoadReport Report);

/// <summary>A median and what it lies between.</summary>
internal readonly record struct Spread(double Median, double Min, double Max)
{
    public static Spread Of(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        if (sorted.Length is 0)
        {
            return default;
        }

        var middle = sorted.Length / 2;
        var median = sorted.Length % 2 is 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
        return new Spread(median, sorted[0], sorted[^1]);
    }
}

/// <summary>All rounds of one peer under one case. Ratios are ratios of medians.</summary>
internal sealed record ScenarioRow(
    string Peer,
    string Case,
    Spread AcknowledgedPerSecond,
    double? RateToMosquitto,
    double? RateToFloor,
    Spread ServerCpuSecondsPerMillion,
    double? CpuToMosquitto,
    double? CpuToFloor,
    Spread P50Ms,
    Spread P99Ms,
    Spread P999Ms,
    Spread FirstHalfMeanMs,
    Spread LastHalfMeanMs,
    Spread ResidentMiB,
    Spread ConnectsPerSecond,
    Spread GeneratorCpuSecondsPerMillion,
    Spread OtherCores,
    long Errors,
    string? FirstError)
{
    private const double MiB = 1024 * 1024;

    /// <summary>One row for each peer and case.</summary>
    public static IReadOnlyList<ScenarioRow> Of(IReadOnlyList<PeerRun> runs)
    {
        var rows = runs.GroupBy(run => (run.Case, run.Peer)).Select(group => Row(group.Key.Peer, group.Key.Case, [.. group]));
        return [.. rows.GroupBy(row => row.Case).SelectMany(WithRatios)];
    }

    private static ScenarioRow Row(string peer, string @case, LoadReport[] reports) => new(
        peer,
        @case,
        Spread.Of(reports.Select(one => one.AcknowledgedPerSecond)),
        null,
        null,
        Spread.Of(reports.Select(one => one.Server?.CpuSecondsPerMillion ?? 0)),
        null,
        null,
        Spread.Of(reports.Select(one => one.Acknowledgement.P50Ms)),
        Spread.Of(reports.Select(one => one.Acknowledgement.P99Ms)),
        Spread.Of(reports.Select(one => one.Acknowledgement.P999Ms)),
        Spread.Of(reports.Select(one => one.FirstHalf?.MeanMs ?? 0)),
        Spread.Of(reports.Select(one => one.LastHalf?.MeanMs ?? 0)),
        Spread.Of(reports.Select(one => (one.Server?.ResidentBytesAtEnd ?? 0) / MiB)),
        Spread.Of(reports.Select(one => one.ConnectsPerSecond)),
        Spread.Of(reports.Select(one => one.GeneratorCpuSecondsPerMillion)),
        Spread.Of(reports.Select(one => one.OtherCores)),
        reports.Sum(one => one.Errors),
        reports.Select(one => one.FirstError).FirstOrDefault(error => error is not null));

    private static ScenarioRow Row(string peer, string @case, PeerRun[] runs) =>
        Row(peer, @case, [.. runs.Select(run => run.Report)]);

    private static IEnumerable<ScenarioRow> WithRatios(IEnumerable<ScenarioRow> rowsOfCase)
    {
        var rows = rowsOfCase.ToArray();
        var mosquitto = Array.Find(rows, row => row.Peer is MosquittoPeer.PeerName);
        var floor = Array.Find(rows, row => row.Peer is FloorPeer.PeerName);
        return rows.Select(row => row with
        {
            RateToMosquitto = Ratio(row.AcknowledgedPerSecond, mosquitto?.AcknowledgedPerSecond),
            RateToFloor = Ratio(row.AcknowledgedPerSecond, floor?.AcknowledgedPerSecond),
            CpuToMosquitto = Ratio(row.ServerCpuSecondsPerMillion, mosquitto?.ServerCpuSecondsPerMillion),
            CpuToFloor = Ratio(row.ServerCpuSecondsPerMillion, floor?.ServerCpuSecondsPerMillion),
        });
    }

    private static double? Ratio(Spread value, Spread? other) =>
        other is { Median: > 0 } ? Math.Round(value.Median / other.Value.Median, 3) : null;
}

internal static class ScenarioRows
{
    /// <summary>The row of a peer under a case, if it was measured.</summary>
    public static ScenarioRow? Of(this IEnumerable<ScenarioRow> rows, string peer, string @case) =>
        rows.FirstOrDefault(row => row.Peer == peer && row.Case == @case);
}
