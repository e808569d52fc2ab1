using System.Globalization;
using Spectre.Console;

namespace Nave.Bench.Scenarios;

/// <summary>A scenario's figures for people.</summary>
internal static class ScenarioView
{
    public static void Write(IAnsiConsole console, ScenarioReport report)
    {
        var hasFloor = report.Rows.Any(row => row.Peer is FloorPeer.PeerName);
        var table = new Table().Border(TableBorder.Simple)
            .AddColumn(new TableColumn("server").NoWrap())
            .AddColumns([
                Right("acked/s"), Right("min..max k"), Right("x mosq."), Right("CPU-s/M"), Right("min..max"), Right("x mosq."),
                Right("p50/p99/p99.9 ms"), Right("mean ms, halves"), Right("RSS MB"), Right("gen. s/M"), Right("other cores"), Right("errors"),
            ]);
        if (hasFloor)
        {
            table.AddColumns(Right("rate x floor"), Right("CPU x floor"));
        }

        foreach (var rowsOfCase in report.Rows.GroupBy(row => row.Case))
        {
            table.AddRow($"[bold]{Markup.Escape(rowsOfCase.Key)}[/]");
            foreach (var row in rowsOfCase)
            {
                AddRow(table, row, hasFloor);
            }
        }

        console.Write(table);
        WriteWhere(console, report.Settings, report.Versions, report.Machine, report.Disk);
        console.MarkupLine("[grey]Medians; CPU-s/M: server CPU seconds per million messages; gen.: the generator's; other cores: taken by other work.[/]");
        WriteDemands(console, report.Demands);
    }

    /// <summary>A line for each, what is not met in yellow.</summary>
    public static void WriteDemands(IAnsiConsole console, IEnumerable<Demand> demands)
    {
        foreach (var demand in demands)
        {
            console.MarkupLine(demand.Must.IsMet is false ? $"[yellow]{Markup.Escape(demand.ToString())}[/]" : Markup.Escape(demand.ToString()));
        }
    }

    /// <summary>Versions, machine and disk: without them figures say nothing.</summary>
    public static void WriteWhere(
        IAnsiConsole console, IReadOnlyDictionary<string, string> settings, IReadOnlyDictionary<string, string> versions, MachineReport machine, DiskReport disk)
    {
        console.MarkupLineInterpolated($"[grey]{Join(settings)}[/]");
        console.MarkupLineInterpolated($"[grey]{Join(versions)}[/]");
        console.MarkupLineInterpolated(CultureInfo.InvariantCulture,
            $"[grey]{machine.Processor}, {machine.Cores} cores, {machine.MemoryGiB} GiB, {machine.System}, Linux {machine.Kernel}, {machine.Runtime}, a system call {machine.SystemCallMicroseconds:0.0} us, load average {machine.LoadAverage}[/]");
        console.MarkupLineInterpolated(CultureInfo.InvariantCulture,
            $"[grey]{disk.FileSystem} at {disk.Directory}: 4 KB fdatasync p50 {disk.SyncP50Microseconds:0} us, p99 {disk.SyncP99Microseconds:0} us[/]");
    }

    private static void AddRow(Table table, ScenarioRow row, bool hasFloor)
    {
        var (rate, min, max) = row.AcknowledgedPerSecond;
        var cpu = row.ServerCpuSecondsPerMillion;
        string[] cells =
        [
            "  " + Markup.Escape(row.Peer),
            $"{rate:N0}",
            $"{min / 1000:N0}..{max / 1000:N0}",
            $"{row.RateToMosquitto:0.00}",
            $"{cpu.Median:0.0}",
            $"{cpu.Min:0.0}..{cpu.Max:0.0}",
            $"{row.CpuToMosquitto:0.00}",
            $"{row.P50Ms.Median:0.00}/{row.P99Ms.Median:0.0}/{row.P999Ms.Median:0.0}",
            $"{row.FirstHalfMeanMs.Median:0.0}, {row.LastHalfMeanMs.Median:0.0}",
            $"{row.ResidentMiB.Median:0}",
            $"{row.GeneratorCpuSecondsPerMillion.Median:0.0}",
            $"{row.OtherCores.Median:0.0}",
            row.Errors is 0 ? "-" : $"[red]{row.Errors}[/]",
            .. hasFloor ? (string[])[$"{row.RateToFloor:0.00}", $"{row.CpuToFloor:0.00}"] : [],
        ];
        table.AddRow(cells);
    }

    private static string Join(IReadOnlyDictionary<string, string> pairs) =>
        string.Join(", ", pairs.Select(pair => $"{pair.Key} {pair.Value}"));

    private static TableColumn Right(string title) => new TableColumn(title).RightAligned().NoWrap();
}
