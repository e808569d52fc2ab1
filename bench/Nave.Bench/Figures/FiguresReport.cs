using Nave.Bench.Scenarios;

namespace Nave.Bench.Figures;

/// <summary>What one run of a role of the bench measured, by name, in the order in which people read it.</summary>
/// <param name="OtherCores">Cores that nothing under measurement used: other work on the machine meanwhile.</param>
/// <param name="Errors">What went wrong: makes the run void.</param>
internal sealed record RunFigures(
    IReadOnlyDictionary<string, double> Values, double OtherCores, long Errors = 0, string? FirstError = null);

/// <summary>One run: a fresh process of a subject under one case of the scenario.</summary>
internal sealed record FiguresRun(string Subject, string Case, int Round, RunFigures Figures);

/// <summary>All rounds of one subject under one case.</summary>
internal sealed record FiguresRow(
    string Subject, string Case, IReadOnlyDictionary<string, Spread> Values, Spread OtherCores, long Errors, string? FirstError)
{
    /// <summary>A figure of the row; null where it has none of that name.</summary>
    public Spread? Find(string figure) => Values.TryGetValue(figure, out var value) ? value : null;

    /// <summary>One row for each subject and case.</summary>
    public static IReadOnlyList<FiguresRow> Of(IEnumerable<FiguresRun> runs) =>
    [
        .. runs.GroupBy(run => (run.Case, run.Subject)).Select(group => new FiguresRow(
            group.Key.Subject,
            group.Key.Case,
            group.SelectMany(run => run.Figures.Values)
                .GroupBy(figure => figure.Key)
                .ToDictionary(figure => figure.Key, figure => Spread.Of(figure.Select(one => one.Value))),
            Spread.Of(group.Select(run => run.Figures.OtherCores)),
            group.Sum(run => run.Figures.Errors),
            group.Select(run => run.Figures.FirstError).FirstOrDefault(error => error is not null))),
    ];
}

internal static class FiguresRows
{
    /// <summary>A figure of a subject under a case, if it was measured.</summary>
    public static Spread? Find(this IEnumerable<FiguresRow> rows, string subject, string @case, string figure) =>
        rows.FirstOrDefault(row => row.Subject == subject && row.Case == @case)?.Find(figure);
}

/// <summary>Everything a scenario of several kinds of figures measured and where, for comparing runs.</summary>
/// <param name="Void">Why the figures must not be used; empty when they may.</param>
/// <param name="Demands">What is demanded of these figures, and whether they meet it.</param>
internal sealed record FiguresReport(
    string Scenario,
    DateTimeOffset StartedAt,
    IReadOnlyList<string> Void,
    MachineReport Machine,
    DiskReport Disk,
    IReadOnlyDictionary<string, string> Versions,
    IReadOnlyDictionary<string, string> Settings,
    IReadOnlyList<Demand> Demands,
    IReadOnlyList<FiguresRow> Rows,
    IReadOnlyList<FiguresRun> Runs) : IScenarioResult;
