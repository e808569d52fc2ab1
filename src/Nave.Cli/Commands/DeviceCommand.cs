using System.CommandLine;
using System.Text.Json.Nodes;
using Nave.Cli.Hubs;

namespace Nave.Cli.Commands;

/// <summary><c>nave device</c> and <c>nave module</c>: the identity registry.</summary>
internal static class DeviceCommand
{
    /// <summary><c>nave device create|show|list|update|delete</c>.</summary>
    public static Command Create() => new("device", "Device identities")
    {
        CreateCommand("create", "Register a device", IdentityKind.Device, isUpdate: false),
        ShowCommand(IdentityKind.Device),
        ListDevices(),
        CreateCommand("update", "Change a device", IdentityKind.Device, isUpdate: true),
        DeleteCommand(IdentityKind.Device),
    };

    /// <summary><c>nave module create|show|list|update|delete</c>.</summary>
    public static Command CreateForModules() => new("module", "Module identities of a device")
    {
        CreateCommand("create", "Register a module", IdentityKind.Module, isUpdate: false),
        ShowCommand(IdentityKind.Module),
        ListModules(),
        CreateCommand("update", "Change a module", IdentityKind.Module, isUpdate: true),
        DeleteCommand(IdentityKind.Module),
    };

    private static Command CreateCommand(string name, string description, IdentityKind kind, bool isUpdate)
    {
        var command = new Command(name, description);
        var hub = HubArguments.AddTo(command);
        var id = IdentityArguments.AddTo(command, kind);
        var changes = IdentityChanges.AddTo(command, kind, isUpdate);
        var json = Output.JsonOption();
        command.Options.Add(json);
        command.SetAction(async (parsed, stopping) =>
        {
            using var rest = new HubRest(hub.Resolve(parsed), TimeProvider.System);
            var path = id.PathOf(parsed);
            JsonNode identity;
            string? version = null;
            if (isUpdate)
            {
                identity = await rest.GetAsync(path, stopping) ?? new JsonObject();
                version = (string?)identity["etag"];
            }
            else
            {
                identity = id.NewIdentity(parsed);
            }

            changes.Apply(parsed, identity);
            Show(await rest.PutAsync(path, identity, version, stopping), parsed.GetValue(json));
            return Tool.Done;
        });
        return command;
    }

    private static Command ShowCommand(IdentityKind kind)
    {
        var command = new Command("show", $"Show a {Word(kind)}");
        var hub = HubArguments.AddTo(command);
        var id = IdentityArguments.AddTo(command, kind);
        var json = Output.JsonOption();
        command.Options.Add(json);
        command.SetAction(async (parsed, stopping) =>
        {
            using var rest = new HubRest(hub.Resolve(parsed), TimeProvider.System);
            Show(await rest.GetAsync(id.PathOf(parsed), stopping), parsed.GetValue(json));
            return Tool.Done;
        });
        return command;
    }

    private static Command DeleteCommand(IdentityKind kind)
    {
        var command = new Command("delete", $"Delete a {Word(kind)}: its connection is cut at once");
        var hub = HubArguments.AddTo(command);
        var id = IdentityArguments.AddTo(command, kind);
        command.SetAction(async (parsed, stopping) =>
        {
            using var rest = new HubRest(hub.Resolve(parsed), TimeProvider.System);
            await rest.DeleteAsync(id.PathOf(parsed), stopping);
            return Tool.Done;
        });
        return command;
    }

    private static Command ListDevices()
    {
        var command = new Command("list", "List devices");
        var hub = HubArguments.AddTo(command);
        var top = new Option<int>("--top") { Description = "At most this many, up to 1000", DefaultValueFactory = _ => 1000 };
        var json = Output.JsonOption();
        command.Options.Add(top);
        command.Options.Add(json);
        command.SetAction(async (parsed, stopping) =>
        {
            using var rest = new HubRest(hub.Resolve(parsed), TimeProvider.System);
            List(await rest.GetAsync($"/devices?top={parsed.GetValue(top)}", stopping), "deviceId", parsed.GetValue(json));
            return Tool.Done;
        });
        return command;
    }

    private static Command ListModules()
    {
        var command = new Command("list", "List the modules of a device");
        var hub = HubArguments.AddTo(command);
        var id = IdentityArguments.AddTo(command, IdentityKind.Device);
        var json = Output.JsonOption();
        command.Options.Add(json);
        command.SetAction(async (parsed, stopping) =>
        {
            using var rest = new HubRest(hub.Resolve(parsed), TimeProvider.System);
            List(await rest.GetAsync(id.PathOf(parsed) + "/modules", stopping), "moduleId", parsed.GetValue(json));
            return Tool.Done;
        });
        return command;
    }

    private static void Show(JsonNode? identity, bool asJson)
    {
        if (asJson)
        {
            Output.Json(identity);
            return;
        }

        var authentication = identity?["authentication"];
        Output.Fields(new (string Name, string? Value)[]
        {
            ("device", Output.TextOf(identity, "deviceId")),
            ("module", Output.TextOf(identity, "moduleId")),
            ("status", Output.TextOf(identity, "status")),
            ("reason", Output.TextOf(identity, "statusReason")),
            ("connection", Output.TextOf(identity, "connectionState")),
            ("last activity", Output.TextOf(identity, "lastActivityTime")),
            ("queued commands", Output.TextOf(identity, "cloudToDeviceMessageCount")),
            ("authentication", Output.TextOf(authentication, "type")),
            ("primary key", Output.TextOf(authentication?["symmetricKey"], "primaryKey")),
            ("secondary key", Output.TextOf(authentication?["symmetricKey"], "secondaryKey")),
            ("primary thumbprint", Output.TextOf(authentication?["x509Thumbprint"], "primaryThumbprint")),
            ("secondary thumbprint", Output.TextOf(authentication?["x509Thumbprint"], "secondaryThumbprint")),
            ("generation", Output.TextOf(identity, "generationId")),
            ("etag", Output.TextOf(identity, "etag")),
        }.Where(field => !string.IsNullOrEmpty(field.Value)));
    }

    private static void List(JsonNode? list, string idField, bool asJson)
    {
        if (asJson)
        {
            Output.Json(list);
            return;
        }

        var rows = (list as JsonArray ?? []).Select(entry => (IReadOnlyList<string?>)
        [
            Output.TextOf(entry, idField), Output.TextOf(entry, "status"), Output.TextOf(entry, "connectionState"), Output.TextOf(entry?["authentication"], "type"),
            Output.TextOf(entry, "lastActivityTime"),
        ]);
        Output.Table([idField is "deviceId" ? "device" : "module", "status", "connection", "authentication", "last activity"], rows);
    }

    private static string Word(IdentityKind kind) => kind is IdentityKind.Module ? "module" : "device";
}
