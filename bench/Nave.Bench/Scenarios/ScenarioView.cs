using Spectre.Console;

namespace Nave.Bench.Scenarios;

/// <summary>A scenario's figures for people.</summary>
internal static class ScenarioView
{
    private const int WidthOfFiles = 160; // Without a terminal the console would take 80 and break the table.

    public static void Write(IAnsiConsole console, ScenarioReport report)
    {
        if (Console.IsOutputRedirected)
        {
            console.Profile.Width = WidthOfFiles;
        }

        var table = new Table().Border(TableBorder.Simple)
            .AddColumn("server")
            .AddColumns([
                Right("acked/s"), Right("min..max k"), Right("x mosq."), Right("x floor"), Right("CPU-s/M"), Right("x mosq."), Right("x floor"),
                Right("p50/p99/p99.9 ms"), Right("RSS MB"), Right("gen. s/M"), Right("other cores"), Right("errors"),
            ]);
        foreach (var rowsOfCase in report.Rows.GroupBy(row => row.Case))
        {
            table.AddRow($"[bold]{Markup.Escape(rowsOfCase.Key)}[/]");
            foreach (var row in rowsOfCase)
            {
                AddRow(table, row);
            }
        }

        console.Write(table);
        WriteWhere(console, report);
        foreach (var reason in report.Void)
        {
            console.MarkupLineInterpolated($"[red]void: {reason}[/]");
        }
    }

    private static void AddRow(Table table, ScenarioRow row)
    {
        var (rate, min, max) = row.AcknowledgedPerSecond;
        table.AddRow(
            "  " + Markup.Escape(row.Peer),
            $"{rate:N0}",
            $"{min / 1000:N0}..{max / 1000:N0}",
            $"{row.RateToMosquitto:0.00}",
            $"{row.RateToFloor:0.00}",
            $"{row.ServerCpuSecondsPerMillion.Median:0.0}",
            $"{row.CpuToMosquitto:0.00}",
            $"{row.CpuToFloor:0.00}",
            $"{row.P50Ms.Median:0.00}/{row.P99Ms.Median:0.0}/{row.P999Ms.Median:0.0}",
            $"{row.ResidentMiB.Median:0}",
            $"{row.GeneratorCpuSecondsPerMillion.Median:0.0}",
            $"{row.OtherCores.Median:0.0}",
            row.Errors is 0 ? "-" : $"[red]{row.Errors}[/]");
    }

    private static void WriteWhere(IAnsiConsole console, ScenarioReport report)
    {
        var (machine, disk) = (report.Machine, report.Disk);
        console.MarkupLineInterpolated($"[grey]{Join(report.Settings)}[/]");
        console.MarkupLineInterpolated($"[grey]{Join(report.Versions)}[/]");
        console.MarkupLineInterpolated(
            $"[grey]{machine.Processor}, {machine.Cores} cores, {machine.MemoryGiB} GiB, {machine.System}, Linux {machine.Kernel}, {machine.Runtime}, a system call {machine.SystemCallMicroseconds:0.0} us[/]");
        console.MarkupLineInterpolated(
            $"[grey]{disk.FileSystem} at {disk.Directory}: 4 KB fdatasync p50 {disk.SyncP50Microseconds:0} us, p99 {disk.SyncP99Microseconds:0} us. Medians; CPU-s/M: server CPU seconds per million messages; gen.: the generator's; other cores: taken by other work.[/]");
    }

    private static string Join(IReadOnlyDictionary<string, string> pairs) =>
        string.Join(", ", pairs.Select(pair => $"{pair.Key} {pair.Value}"));

    private static TableColumn Right(string title) => new TableColumn(title).RightAligned().NoWrap();
}
