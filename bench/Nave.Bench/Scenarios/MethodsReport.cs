namespace Nave.Bench.Scenarios;

/// <summary>What <c>bench methods</c> measured and where.</summary>
/// <param name="Void">Why the figures must not be used; empty when they may.</param>
/// <param name="Rows">Methods and the bare request, by how many were under way at a time.</param>
internal sealed record MethodsReport(
    DateTimeOffset StartedAt,
    IReadOnlyList<string> Void,
    MachineReport Machine,
    string Version,
    IReadOnlyDictionary<string, string> Settings,
    IReadOnlyList<MethodsRow> Rows) : IScenarioResult;

/// <summary>Medians over the rounds, with their spread.</summary>
internal sealed record MethodsRow(string What, int Callers, Spread PerSecond, Spread P50Ms, Spread P99Ms)
{
    /// <summary>One row of the rounds' figures.</summary>
    public static MethodsRow Of(string what, int callers, IReadOnlyCollection<MethodFigures> rounds) => new(
        what,
        callers,
        Spread.Of(rounds.Select(round => round.PerSecond)),
        Spread.Of(rounds.Select(round => round.P50Ms)),
        Spread.Of(rounds.Select(round => round.P99Ms)));
}
