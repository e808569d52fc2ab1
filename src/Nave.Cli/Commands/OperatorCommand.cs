using System.CommandLine;
using System.Text.Json.Nodes;
using Nave.Cli.Hubs;

namespace Nave.Cli.Commands;

/// <summary>What the commands of the operator port have in common.</summary>
internal static class OperatorCommand
{
    /// <summary>Adds the argument that names something; the function gives it encoded for a path.</summary>
    public static Func<ParseResult, string> NameOf(Command command, string word)
    {
        var name = new Argument<string>(word) { Description = "Its name" };
        command.Arguments.Add(name);
        return parsed => Uri.EscapeDataString(parsed.GetRequiredValue(name));
    }

    /// <summary>The command reads and shows.</summary>
    public static void OnGet(Command command, string path, Action<JsonNode?> show) =>
        OnSend(command, HttpMethod.Get, _ => path, _ => null, show);

    /// <summary>The command makes one call and shows its answer.</summary>
    public static void OnSend(
        Command command, HttpMethod method, Func<ParseResult, string> path, Func<ParseResult, JsonObject?> body, Action<JsonNode?> show)
    {
        var data = HubArguments.AddDataTo(command);
        var json = Output.JsonOption();
        command.Options.Add(json);
        command.SetAction(async (parsed, stopping) =>
        {
            using var rest = new OperatorRest(data(parsed));
            var answer = await rest.SendAsync(method, path(parsed), body(parsed), stopping);
            if (parsed.GetValue(json))
            {
                Output.Json(answer);
            }
            else
            {
                show(answer);
            }

            return Tool.Done;
        });
    }

    /// <summary>A command that deletes something by name and says nothing.</summary>
    public static Command Delete(string collection, string description)
    {
        var command = new Command("delete", description);
        var name = NameOf(command, "NAME");
        var data = HubArguments.AddDataTo(command);
        command.SetAction(async (parsed, stopping) =>
        {
            using var rest = new OperatorRest(data(parsed));
            await rest.SendAsync(HttpMethod.Delete, $"{collection}/{name(parsed)}", null, stopping);
            return Tool.Done;
        });
        return command;
    }
}
