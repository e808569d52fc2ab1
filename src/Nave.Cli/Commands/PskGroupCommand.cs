using System.CommandLine;
using System.Text.Json.Nodes;
using Nave.PskGateway.Keys;

namespace Nave.Cli.Commands;

/// <summary><c>nave psk group</c>: identities whose keys are derived from one group key.</summary>
internal static class PskGroupCommand
{
    /// <summary><c>nave psk group add|list|key|remove</c>.</summary>
    public static Command Create() => new("group", "Groups of identities whose keys are derived: HMAC-SHA256(group key, identity)")
    {
        Add(),
        List(),
        Key(),
        Remove(),
    };

    private static Command Add()
    {
        var command = new Command("add", "Add a group with a key of its own, generated and sealed");
        var name = NameArgument(command);
        var pattern = new Option<string>("--pattern") { Description = "Regular expression that matches whole identities; its group `device`, or else the identity, is the device id", HelpName = "REGEX", Required = true };
        var key = new Option<string?>("--key") { Description = "Group key that there is already, in hex; - reads it from standard input, where no process list shows it", HelpName = "HEX" };
        command.Options.Add(pattern);
        command.Options.Add(key);
        PskCommand.OnStore(command, async (parsed, store, stopping) =>
        {
            var hex = parsed.GetValue(key) is "-" ? await Console.In.ReadLineAsync(stopping) : parsed.GetValue(key);
            if (await store.AddGroupAsync(parsed.GetRequiredValue(name), parsed.GetRequiredValue(pattern), PskCommand.KeyOf(hex?.Trim()), stopping) is { } problem)
            {
                throw new CommandFailedException(problem);
            }
        });
        return command;
    }

    private static Command List()
    {
        var command = new Command("list", "List groups; never their keys");
        var json = Output.JsonOption();
        command.Options.Add(json);
        PskCommand.OnStore(command, async (parsed, store, stopping) =>
        {
            var groups = await store.ListGroupsAsync(stopping);
            if (parsed.GetValue(json))
            {
                Output.Json(new JsonArray([.. groups.Select(group => (JsonNode)new JsonObject { ["name"] = group.Name, ["pattern"] = group.Pattern, ["createdAt"] = group.CreatedAt })]));
                return;
            }

            Output.Table(["name", "pattern", "created"], groups.Select(group => (IReadOnlyList<string?>)[group.Name, group.Pattern, $"{group.CreatedAt:u}"]));
        });
        return command;
    }

    private static Command Key()
    {
        var command = new Command("key", "Print the key of one identity of a group, to put it into the device");
        var name = NameArgument(command);
        var identity = new Argument<string>("IDENTITY") { Description = "What the device calls itself in the handshake" };
        command.Arguments.Add(identity);
        PskCommand.OnStore(command, async (parsed, store, stopping) =>
        {
            var group = (await store.ListGroupsAsync(stopping)).Find(each => each.Name == parsed.GetRequiredValue(name))
                ?? throw new CommandFailedException($"There is no group '{parsed.GetRequiredValue(name)}'.");
            var whose = parsed.GetRequiredValue(identity);
            if (!PskRules.TryReadPattern(group.Pattern, out var pattern) || !pattern.IsMatch(whose))
            {
                throw new CommandFailedException($"'{whose}' does not match the group's pattern {group.Pattern}.");
            }

            var groupKey = store.Open(group) ?? throw new CommandFailedException($"The key of '{group.Name}' does not open: its row was damaged or moved.");
            await Console.Out.WriteLineAsync(Convert.ToHexStringLower(PskRules.Derive(groupKey, whose)));
        });
        return command;
    }

    private static Command Remove()
    {
        var command = new Command("remove", "Remove a group: none of its identities connects any more");
        var name = NameArgument(command);
        PskCommand.OnStore(command, async (parsed, store, stopping) =>
        {
            if (!await store.RemoveGroupAsync(parsed.GetRequiredValue(name), stopping))
            {
                throw new CommandFailedException($"There is no group '{parsed.GetRequiredValue(name)}'.");
            }
        });
        return command;
    }

    private static Argument<string> NameArgument(Command command)
    {
        var name = new Argument<string>("NAME") { Description = "The group" };
        command.Arguments.Add(name);
        return name;
    }
}
