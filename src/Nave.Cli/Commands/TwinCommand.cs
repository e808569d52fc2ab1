using System.CommandLine;
using System.Text.Json.Nodes;
using Nave.Cli.Hubs;

namespace Nave.Cli.Commands;

/// <summary><c>nave twin show|update|replace|watch</c>: tags, desired and reported properties of devices and modules.</summary>
internal static class TwinCommand
{
    /// <summary>The command with its verbs.</summary>
    public static Command Create() => new("twin", "Tags, desired and reported properties")
    {
        ShowCommand(),
        ChangeCommand("update", "Merge a patch into tags and desired properties; null removes", isReplace: false),
        ChangeCommand("replace", "Replace tags, desired properties, or both", isReplace: true),
        TwinWatch.Create(),
    };

    /// <summary>A section without what the hub writes into it.</summary>
    public static JsonObject ValuesOf(JsonNode? section)
    {
        var values = section?.DeepClone() as JsonObject ?? [];
        values.Remove("$metadata");
        values.Remove("$version");
        return values;
    }

    private static Command ShowCommand()
    {
        var command = new Command("show", "Show a twin");
        var hub = HubArguments.AddTo(command);
        var target = DeviceTarget.AddTo(command);
        var json = Output.JsonOption();
        command.Options.Add(json);
        command.SetAction(async (parsed, stopping) =>
        {
            using var rest = new HubRest(hub.Resolve(parsed), TimeProvider.System);
            Show(await rest.GetAsync(HubRest.TwinPathOf(target.Read(parsed)), stopping), parsed.GetValue(json));
            return Tool.Done;
        });
        return command;
    }

    private static Command ChangeCommand(string name, string description, bool isReplace)
    {
        var command = new Command(name, description);
        var hub = HubArguments.AddTo(command);
        var target = DeviceTarget.AddTo(command);
        var changes = TwinChanges.AddTo(command, isReplace);
        var ifMatch = new Option<string?>("--if-match") { Description = "Only if the twin still has this ETag", HelpName = "ETAG" };
        var json = Output.JsonOption();
        command.Options.Add(ifMatch);
        command.Options.Add(json);
        command.SetAction(async (parsed, stopping) =>
        {
            using var rest = new HubRest(hub.Resolve(parsed), TimeProvider.System);
            var path = HubRest.TwinPathOf(target.Read(parsed));
            var body = await changes.ReadAsync(parsed, stopping);
            var condition = parsed.GetValue(ifMatch) ?? "*";
            var twin = isReplace
                ? await rest.PutAsync(path, body, condition, stopping)
                : await rest.PatchAsync(path, body, condition, stopping);
            Show(twin, parsed.GetValue(json));
            return Tool.Done;
        });
        return command;
    }

    private static void Show(JsonNode? twin, bool asJson)
    {
        if (asJson)
        {
            Output.Json(twin);
            return;
        }

        var properties = twin?["properties"];
        Output.Fields(new (string Name, string? Value)[]
        {
            ("device", Output.TextOf(twin, "deviceId")),
            ("module", Output.TextOf(twin, "moduleId")),
            ("status", Output.TextOf(twin, "status")),
            ("connection", Output.TextOf(twin, "connectionState")),
            ("last activity", Output.TextOf(twin, "lastActivityTime")),
            ("model", Output.TextOf(twin, "modelId")),
            ("version", Output.TextOf(twin, "version")),
            ("etag", Output.TextOf(twin, "etag")),
            ("tags", Compact(twin?["tags"])),
            ($"desired {Output.TextOf(properties?["desired"], "$version")}", Compact(properties?["desired"])),
            ($"reported {Output.TextOf(properties?["reported"], "$version")}", Compact(properties?["reported"])),
        }.Where(field => !string.IsNullOrEmpty(field.Value)));
    }

    private static string Compact(JsonNode? section) => Output.OneLineOf(ValuesOf(section));
}
