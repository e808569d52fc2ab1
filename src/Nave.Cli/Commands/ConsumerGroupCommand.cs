using System.CommandLine;
using System.Text.Json.Nodes;

namespace Nave.Cli.Commands;

/// <summary><c>nave consumer-group</c>: groups of readers of the events endpoint, on the operator port of the local hub.</summary>
internal static class ConsumerGroupCommand
{
    /// <summary><c>nave consumer-group list|create|delete</c>.</summary>
    public static Command Create() => new("consumer-group", "Consumer groups of the events endpoint (local hub, operator port)")
    {
        List(),
        CreateGroup(),
        OperatorCommand.Delete("consumer-groups", "Delete a consumer group"),
    };

    private static Command List()
    {
        var command = new Command("list", "List consumer groups");
        OperatorCommand.OnGet(command, "consumer-groups", Show);
        return command;
    }

    private static Command CreateGroup()
    {
        var command = new Command("create", "Create a consumer group");
        var name = OperatorCommand.NameOf(command, "GROUP");
        OperatorCommand.OnSend(command, HttpMethod.Put, parsed => $"consumer-groups/{name(parsed)}", _ => [], Show);
        return command;
    }

    private static void Show(JsonNode? groups) =>
        Output.Table(["consumer group"], (groups as JsonArray ?? []).Select(group => (IReadOnlyList<string?>)[group?.ToString()]));
}
