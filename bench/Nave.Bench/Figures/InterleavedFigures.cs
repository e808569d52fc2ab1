using System.Globalization;
using Spectre.Console;

namespace Nave.Bench.Figures;

/// <summary>
/// Runs every subject under every case, round after round, so that what the machine does meanwhile meets all of them.
/// </summary>
/// <param name="pairs">Cases and the subjects that each is measured with, in order.</param>
/// <param name="run">One run in a fresh process.</param>
internal sealed class InterleavedFigures(
    IReadOnlyList<(string Case, string Subject)> pairs, int rounds, Func<string, string, Task<RunFigures>> run, IAnsiConsole progress, TimeProvider time)
{
    private const int ToldFigures = 4; // More would not fit on a line.

    public async Task<IReadOnlyList<FiguresRun>> RunAsync()
    {
        var runs = new List<FiguresRun>();
        var all = rounds * pairs.Count;
        var begun = time.GetTimestamp();
        for (var round = 1; round <= rounds; round++)
        {
            foreach (var (@case, subject) in pairs)
            {
                var figures = await run(@case, subject);
                runs.Add(new FiguresRun(subject, @case, round, figures));
                var left = time.GetElapsedTime(begun) / runs.Count * (all - runs.Count);
                progress.MarkupLineInterpolated(CultureInfo.InvariantCulture,
                    $"[grey]{runs.Count,3}/{all}, {left:m\\:ss} left[/]  round {round}, {@case}, {subject}: {Told(figures)}");
            }
        }

        return runs;
    }

    private static string Told(RunFigures figures) =>
        string.Join(", ", figures.Values.Take(ToldFigures).Select(figure => $"{figure.Key} {FiguresView.Text(figure.Value)}"))
        + (figures.Errors is 0 ? "" : $", {figures.Errors} errors ({figures.FirstError})");
}
