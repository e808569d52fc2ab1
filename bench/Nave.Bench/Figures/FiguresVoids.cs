using System.Globalization;
using Nave.Bench.Scenarios;

namespace Nave.Bench.Figures;

/// <summary>What makes a run void: the disk, errors, other work on the machine, a floor that did not hold still.</summary>
internal static class FiguresVoids
{
    private const double LargestFloorSpread = 2;
    private const double LargestShareOfOthers = 0.25;

    /// <param name="floor">The subject whose rate is the limit; null where there is none.</param>
    /// <param name="rate">The name of that figure.</param>
    public static IEnumerable<string> Of(
        MachineReport machine, DiskReport disk, IReadOnlyList<FiguresRow> rows, string? floor, string rate)
    {
        if (disk.Problem is { } problem)
        {
            yield return problem;
        }

        foreach (var row in rows.Where(row => row.Errors > 0))
        {
            yield return $"{row.Subject} at {row.Case} had {row.Errors} errors, the first: {row.FirstError ?? "no reason"}";
        }

        if (rows.Max(row => row.OtherCores.Median) is var others && others > LargestShareOfOthers * machine.Cores)
        {
            yield return string.Create(CultureInfo.InvariantCulture,
                $"other work took {others:0.0} of the {machine.Cores} cores: rates and latencies are not the servers' own.");
        }

        foreach (var row in rows.Where(row => row.Subject == floor))
        {
            if (row.Find(rate) is var (_, min, max) && max > LargestFloorSpread * min)
            {
                yield return string.Create(CultureInfo.InvariantCulture,
                    $"the rate of {row.Subject} at {row.Case} went from {min:N0} to {max:N0}: the machine was busy with other work.");
            }
        }
    }
}
