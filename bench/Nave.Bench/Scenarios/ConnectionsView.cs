using Spectre.Console;

namespace Nave.Bench.Scenarios;

/// <summary>The figures of <c>bench connections</c> for people.</summary>
internal static class ConnectionsView
{
    public static void Write(IAnsiConsole console, ConnectionsReport report)
    {
        var table = new Table().Border(TableBorder.Simple)
            .AddColumn(new TableColumn("server").NoWrap())
            .AddColumns([
                Right("bytes each"), Right("min..max"), Right("first connects/s"), Right("CPU ms each"), Right("again/s"), Right("CPU ms each"),
                Right("connect p99 ms"), Right("other cores"), Right("errors"),
            ]);
        foreach (var rows in report.Rows.GroupBy(row => row.Transport))
        {
            table.AddRow($"[bold]{Markup.Escape(rows.Key)}[/]");
            foreach (var row in rows)
            {
                table.AddRow(
                    "  " + Markup.Escape(row.Peer),
                    $"{row.BytesEach.Median:N0}",
                    $"{row.BytesEach.Min:N0}..{row.BytesEach.Max:N0}",
                    $"{row.ColdConnectsPerSecond.Median:N0}",
                    $"{row.ColdCpuMilliseconds.Median:0.000}",
                    $"{row.WarmConnectsPerSecond.Median:N0}",
                    $"{row.WarmCpuMilliseconds.Median:0.000}",
                    $"{row.ConnectP99Ms.Median:0.0}",
                    $"{row.OtherCores.Median:0.0}",
                    row.Errors is 0 ? "-" : $"[red]{row.Errors}[/]");
            }
        }

        console.Write(table);
        ScenarioView.WriteWhere(console, report.Settings, report.Versions, report.Machine, report.Disk);
        console.MarkupLine("[grey]Medians. Bytes: growth of the server's resident memory; the kernel's socket memory is not in it.[/]");
        ScenarioView.WriteDemands(console, report.Demands);
    }

    private static TableColumn Right(string title) => new TableColumn(title).RightAligned().NoWrap();
}
