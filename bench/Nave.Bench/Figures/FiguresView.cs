using System.Globalization;
using Nave.Bench.Scenarios;
using Spectre.Console;

namespace Nave.Bench.Figures;

/// <summary>A scenario's figures for people: a column for each, the first with its spread.</summary>
internal static class FiguresView
{
    public static void Write(IAnsiConsole console, FiguresReport report)
    {
        var names = report.Rows.SelectMany(row => row.Values.Keys).Distinct().ToArray();
        var table = new Table().Border(TableBorder.Simple).AddColumn(new TableColumn("").NoWrap());
        foreach (var (name, isFirst) in names.Select((name, i) => (name, i == 0)))
        {
            table.AddColumn(Right(name));
            if (isFirst)
            {
                table.AddColumn(Right("min..max"));
            }
        }

        table.AddColumn(Right("other cores")).AddColumn(Right("errors"));
        foreach (var rowsOfCase in report.Rows.GroupBy(row => row.Case))
        {
            table.AddRow($"[bold]{Markup.Escape(rowsOfCase.Key)}[/]");
            foreach (var row in rowsOfCase)
            {
                table.AddRow([.. Cells(row, names)]);
            }
        }

        console.Write(table);
        ScenarioView.WriteWhere(console, report.Settings, report.Versions, report.Machine, report.Disk);
        ScenarioView.WriteDemands(console, report.Demands);
    }

    /// <summary>A number as short as it may be without hiding a per cent of it.</summary>
    public static string Text(double number) =>
        number.ToString(Math.Abs(number) switch { >= 1000 => "N0", >= 100 => "0", >= 10 => "0.0", _ => "0.00" }, CultureInfo.InvariantCulture);

    private static IEnumerable<string> Cells(FiguresRow row, string[] names)
    {
        yield return "  " + Markup.Escape(row.Subject);
        for (var i = 0; i < names.Length; i++)
        {
            var value = row.Find(names[i]);
            yield return value is { } found ? Text(found.Median) : "";
            if (i == 0)
            {
                yield return value is var (_, min, max) ? $"{Text(min)}..{Text(max)}" : "";
            }
        }

        yield return row.OtherCores.Median.ToString("0.0", CultureInfo.InvariantCulture);
        yield return row.Errors is 0 ? "-" : $"[red]{row.Errors}[/]";
    }

    private static TableColumn Right(string title) => new TableColumn(Markup.Escape(title)).RightAligned().NoWrap();
}
