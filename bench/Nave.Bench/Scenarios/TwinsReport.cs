namespace Nave.Bench.Scenarios;

/// <summary>What <c>bench twins</c> measured and where.</summary>
/// <param name="Void">Why the figures must not be used; empty when they may.</param>
/// <param name="NavePerSecond">Reported patches acknowledged, each durable.</param>
/// <param name="SqlitePerSecond">Raw upserts of as many rows as devices patch: a page of several rows is written once for all of them.</param>
/// <param name="SqliteOverAllPerSecond">Raw upserts among all rows, those of devices that are away too.</param>
/// <param name="Ratio">Of the medians, to the former.</param>
/// <param name="RatioOverAll">To the latter.</param>
internal sealed record TwinsReport(
    DateTimeOffset StartedAt,
    IReadOnlyList<string> Void,
    MachineReport Machine,
    DiskReport Disk,
    string Version,
    IReadOnlyDictionary<string, string> Settings,
    Spread NavePerSecond,
    Spread SqlitePerSecond,
    Spread SqliteOverAllPerSecond,
    double Ratio,
    double RatioOverAll,
    Spread P50Ms,
    Spread P99Ms,
    Spread ServerCpuSecondsPerMillion,
    IReadOnlyList<TwinsRound> Rounds) : IScenarioResult
{
    /// <summary>Below this the machine or the hub is at fault, and the reader is told.</summary>
    public const double Target = 0.6;

    /// <summary>Medians of rounds.</summary>
    public static TwinsReport Of(
        DateTimeOffset startedAt,
        IReadOnlyList<string> voids,
        MachineReport machine,
        DiskReport disk,
        string version,
        IReadOnlyDictionary<string, string> settings,
        IReadOnlyList<TwinsRound> rounds)
    {
        var nave = Spread.Of(rounds.Select(round => round.NavePerSecond));
        var sqlite = Spread.Of(rounds.Select(round => round.SqlitePerSecond));
        var overAll = Spread.Of(rounds.Select(round => round.SqliteOverAllPerSecond));
        return new TwinsReport(
            startedAt, voids, machine, disk, version, settings, nave, sqlite, overAll, RatioOf(nave, sqlite), RatioOf(nave, overAll),
            Spread.Of(rounds.Select(round => round.P50Ms)),
            Spread.Of(rounds.Select(round => round.P99Ms)),
            Spread.Of(rounds.Select(round => round.ServerCpuSecondsPerMillion)),
            rounds);
    }

    private static double RatioOf(Spread value, Spread floor) => floor.Median > 0 ? Math.Round(value.Median / floor.Median, 3) : 0;
}

/// <summary>One round: SQLite, then a fresh hub, on the same disk.</summary>
/// <param name="OtherCores">Cores that neither hub nor generator used meanwhile.</param>
internal sealed record TwinsRound(
    int Round, double SqlitePerSecond, double SqliteOverAllPerSecond, double NavePerSecond, double P50Ms, double P99Ms, double ServerCpuSecondsPerMillion, double OtherCores,
    long Errors, string? FirstError);
