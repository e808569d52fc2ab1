using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Nave.Cli.Hubs;

namespace Nave.Cli.Commands;

/// <summary><c>nave query</c>: twins and jobs that a query selects, page after page.</summary>
internal static partial class QueryCommand
{
    private const int MaxPage = 1000;

    private static readonly List<string> TwinColumns = ["deviceId", "moduleId", "status", "connectionState", "tags", "desired", "reported"];

    public static Command Create()
    {
        var command = new Command("query", "Query devices, modules and jobs: SELECT deviceId FROM devices WHERE tags.site = 'north'");
        var query = new Argument<string>("query") { Description = "The query, in quotes; - reads it from standard input" };
        command.Arguments.Add(query);
        var hub = HubArguments.AddTo(command);
        var top = new Option<int>("--top") { Description = "At most so many rows; 0 for all of them", DefaultValueFactory = _ => 100 };
        top.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out var rows) && rows < 0)
            {
                result.AddError("--top is a number of rows, 0 for all.");
            }
        });
        var json = Output.JsonOption();
        command.Options.Add(top);
        command.Options.Add(json);
        command.SetAction(async (parsed, stopping) =>
        {
            using var rest = new HubRest(hub.Resolve(parsed), TimeProvider.System, timeout: TimeSpan.FromMinutes(2));
            var text = parsed.GetValue(query) is "-" ? await Console.In.ReadToEndAsync(stopping) : parsed.GetValue(query)!;
            try
            {
                await RunAsync(rest, text, parsed.GetValue(top), parsed.GetValue(json), stopping);
            }
            catch (CommandFailedException e) when (Pointed(text, e.Message) is { } pointed)
            {
                throw new CommandFailedException(pointed);
            }

            return Tool.Done;
        });
        return command;
    }

    /// <summary>The query's line with a mark under the place that a refusal names; null where it names none.</summary>
    public static string? Pointed(string query, string refusal)
    {
        var match = Place().Match(refusal);
        if (!match.Success)
        {
            return null;
        }

        var line = int.Parse(match.Groups["line"].ValueSpan, CultureInfo.InvariantCulture);
        var column = int.Parse(match.Groups["column"].ValueSpan, CultureInfo.InvariantCulture);
        var lines = query.Split('\n');
        return line > lines.Length ? null
            : $"{match.Groups["problem"].Value}\n  {Output.Printable(lines[line - 1].Replace('\t', ' ').TrimEnd('\r'))}\n  {new string(' ', column - 1)}^";
    }

    private static async Task RunAsync(HubRest rest, string query, int top, bool asJson, CancellationToken stopping)
    {
        var rows = new List<JsonNode>();
        string? continuation = null;
        var itemType = "";
        do
        {
            var page = await rest.QueryAsync(query, top == 0 ? MaxPage : Math.Min(MaxPage, top - rows.Count), continuation, stopping);
            rows.AddRange(page.Rows);
            (itemType, continuation) = (page.ItemType, page.Continuation);
        }
        while (continuation is not null && (top == 0 || rows.Count < top));

        if (asJson)
        {
            Output.Json(new JsonArray([.. rows.Select(row => row.DeepClone())]));
            return;
        }

        var columns = itemType switch
        {
            "Twin" => TwinColumns.Where(column => column != "moduleId" || rows.Exists(row => row["moduleId"] is not null)).ToList(),
            _ => rows.SelectMany(row => row.AsObject().Select(member => member.Key)).Distinct().ToList(),
        };
        if (rows.Count > 0 && columns.Count > 0)
        {
            Output.Table(columns, rows.Select(row => columns.Select(column => Cell(row, column)).ToList()));
        }

        await Console.Out.WriteLineAsync(continuation is null ? $"{rows.Count} rows" : $"{rows.Count} rows, and more: --top 0 shows all");
    }

    private static string? Cell(JsonNode row, string column) => column switch
    {
        "desired" or "reported" when row["properties"]?[column] is { } section => Output.OneLineOf(TwinCommand.ValuesOf(section)),
        _ => row[column] switch
        {
            null => "",
            JsonValue value => value.ToString(),
            var node => Output.OneLineOf(node),
        },
    };

    [GeneratedRegex(@"(?<problem>The query is invalid: .*) at line (?<line>\d{1,6}), column (?<column>\d{1,6})\.", RegexOptions.Singleline)]
    private static partial Regex Place();
}
