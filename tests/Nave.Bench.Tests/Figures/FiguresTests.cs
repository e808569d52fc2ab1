using Nave.Bench.Figures;
using Nave.Bench.Scenarios;

namespace Nave.Bench.Tests.Figures;

public sealed class FiguresTests
{
    private static readonly MachineReport Machine = new("a processor", 2, 8, "6.0", "a system", "a runtime", "0.0", 0.1);
    private static readonly DiskReport Disk = new("/here", "ext4", 100, 200);

    [Fact]
    public void A_row_is_the_median_of_its_rounds_with_what_it_lies_between()
    {
        var rows = FiguresRow.Of([Run("a", 1, 30), Run("a", 2, 10), Run("a", 3, 20), Run("b", 1, 5)]);

        Assert.Equal(new Spread(20, 10, 30), rows.Find("a", "case", "rate"));
        Assert.Equal(new Spread(5, 5, 5), rows.Find("b", "case", "rate"));
        Assert.Null(rows.Find("a", "another case", "rate"));
        Assert.Null(rows.Find("a", "case", "another figure"));
    }

    [Fact]
    public void A_quiet_run_is_valid() => Assert.Empty(FiguresVoids.Of(Machine, Disk, FiguresRow.Of([Run("a", 1, 10)]), "a", "rate"));

    [Fact]
    public void A_floor_that_spreads_more_than_twofold_makes_the_run_void()
    {
        var rows = FiguresRow.Of([Run("floor", 1, 10), Run("floor", 2, 21), Run("a", 1, 1), Run("a", 2, 9)]);

        Assert.Contains("floor", Assert.Single(FiguresVoids.Of(Machine, Disk, rows, "floor", "rate")), StringComparison.Ordinal);
    }

    [Fact]
    public void Errors_and_other_work_make_the_run_void()
    {
        var rows = FiguresRow.Of([new FiguresRun("a", "case", 1, new RunFigures(new Dictionary<string, double>(), 1.5, 3, "lost"))]);

        var voids = FiguresVoids.Of(Machine, Disk, rows, null, "rate").ToArray();

        Assert.Collection(
            voids,
            errors => Assert.Contains("lost", errors, StringComparison.Ordinal),
            others => Assert.Contains("1.5 of the 2 cores", others, StringComparison.Ordinal));
    }

    private static FiguresRun Run(string subject, int round, double rate) =>
        new(subject, "case", round, new RunFigures(new Dictionary<string, double> { ["rate"] = rate }, 0.1));
}
