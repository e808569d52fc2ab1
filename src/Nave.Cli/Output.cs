using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace Nave.Cli;

/// <summary>How results are shown: tables for people, JSON for scripts.</summary>
internal static class Output
{
    // What a script reads is not HTML: keys keep their '+'.
    private static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private static readonly JsonSerializerOptions OneLine = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The option <c>--json</c>.</summary>
    public static Option<bool> JsonOption() => new("--json") { Description = "Print JSON" };

    /// <summary>Prints a JSON value over several lines.</summary>
    public static void Json(JsonNode? node) => Console.Out.WriteLine(node?.ToJsonString(Indented) ?? "null");

    /// <summary>Prints a JSON value on one line, at once.</summary>
    public static void JsonLine(JsonNode node) => Console.Out.WriteLine(OneLineOf(node));

    /// <summary>A JSON value on one line.</summary>
    public static string OneLineOf(JsonNode node) => node.ToJsonString(OneLine);

    /// <summary>Prints a table.</summary>
    public static void Table(IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string?>> rows)
    {
        var table = new Table().Border(TableBorder.Simple);
        foreach (var column in columns)
        {
            table.AddColumn(new TableColumn(new Text(column, new Style(decoration: Decoration.Bold))).NoWrap());
        }

        foreach (var row in rows)
        {
            table.AddRow([.. row.Select(cell => new Text(Printable(cell ?? "")))]);
        }

        Screen().Write(table);
    }

    /// <summary>Prints names with their values.</summary>
    public static void Fields(IEnumerable<(string Name, string? Value)> fields)
    {
        var grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn();
        foreach (var (name, value) in fields)
        {
            grid.AddRow(new Text(name, new Style(Color.Grey)), new Text(Printable(value ?? "")));
        }

        Screen().Write(grid);
    }

    /// <summary>The console, wide enough not to break lines when its output goes to a file.</summary>
    public static IAnsiConsole Screen()
    {
        if (Console.IsOutputRedirected)
        {
            AnsiConsole.Profile.Width = 500;
        }

        return AnsiConsole.Console;
    }

    /// <summary>A member of an answer as text; null where there is none.</summary>
    public static string? TextOf(JsonNode? node, string member) => node?[member]?.ToString();

    /// <summary>Text that somebody else chose, without control characters.</summary>
    public static string Printable(string text) =>
        text.Any(char.IsControl) ? string.Concat(text.Select(c => char.IsControl(c) ? $"\\u{(int)c:x4}" : c.ToString())) : text;
}
