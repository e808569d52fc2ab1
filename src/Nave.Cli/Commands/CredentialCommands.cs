using System.CommandLine;
using System.Text.Json.Nodes;
using Nave.Cli.Hubs;
using Nave.Hub.Hosting;
using Nave.Protocol.Access;
using Nave.Protocol.Identities;

namespace Nave.Cli.Commands;

/// <summary><c>nave connection-string</c> and <c>nave token</c>: what devices, back ends and readers are given.</summary>
internal static class CredentialCommands
{
    private static readonly TimeSpan DefaultLife = TimeSpan.FromHours(1);

    /// <summary><c>nave connection-string</c>.</summary>
    public static Command CreateConnectionString()
    {
        var command = new Command("connection-string", "Print the connection string of a device, a module, a policy or the events endpoint");
        var hub = HubArguments.AddTo(command);
        var device = new Argument<string?>("DEVICE") { Description = "Device id; without it, that of a policy", Arity = ArgumentArity.ZeroOrOne };
        var module = new Option<string?>("--module") { Description = "A module of the device", HelpName = "MODULE" };
        var policy = new Option<string?>("--policy") { Description = "Of this shared access policy [iothubowner]", HelpName = "NAME" };
        var events = new Option<bool>("--events") { Description = "Of the events endpoint, for Event Hubs clients" };
        var json = Output.JsonOption();
        command.Arguments.Add(device);
        command.Options.Add(module);
        command.Options.Add(policy);
        command.Options.Add(events);
        command.Options.Add(json);
        command.SetAction(async (parsed, stopping) =>
        {
            var target = hub.Resolve(parsed);
            var text = parsed.GetValue(device) is { } deviceId
                ? (await DeviceConnectionAsync(target, deviceId, parsed.GetValue(module), stopping)).ToString()
                : parsed.GetValue(events) ? EventsOf(target)
                : await PolicyOfAsync(target, parsed.GetValue(policy), stopping);
            Print(parsed.GetValue(json), "connectionString", text);
            return Tool.Done;
        });
        return command;
    }

    /// <summary><c>nave token</c>.</summary>
    public static Command CreateToken()
    {
        var command = new Command("token", "Mint a SAS token for a device, a module or a back end");
        var hub = HubArguments.AddTo(command);
        var device = new Argument<string?>("DEVICE") { Description = "Device id; without it, for a back end", Arity = ArgumentArity.ZeroOrOne };
        var module = new Option<string?>("--module") { Description = "A module of the device", HelpName = "MODULE" };
        var policy = new Option<string?>("--policy") { Description = "Sign with this policy's key instead of the device's [iothubowner for back ends]", HelpName = "NAME" };
        var resource = new Option<string?>("--resource") { Description = "Path below the host that the token is limited to, such as /messages/events", HelpName = "PATH" };
        var life = new Option<string?>("--ttl") { Description = "How long it is valid: 30s, 5m, 1h, 1d [1h]", HelpName = "DURATION" };
        var json = Output.JsonOption();
        command.Arguments.Add(device);
        command.Options.Add(module);
        command.Options.Add(policy);
        command.Options.Add(resource);
        command.Options.Add(life);
        command.Options.Add(json);
        command.SetAction(async (parsed, stopping) =>
        {
            var target = hub.Resolve(parsed);
            var deviceId = parsed.GetValue(device);
            var moduleId = parsed.GetValue(module);
            var policyName = parsed.GetValue(policy);
            var signer = deviceId is not null && policyName is null
                ? await DeviceConnectionAsync(target, deviceId, moduleId, stopping)
                : ConnectionString.Parse(await PolicyOfAsync(target, policyName, stopping));
            var path = parsed.GetValue(resource) ?? (deviceId is null ? "" : IdOf(deviceId, moduleId).ToPath());
            var expires = TimeProvider.System.GetUtcNow() + ReadLife(parsed.GetValue(life));
            var key = signer.SharedAccessKey ?? throw new CommandFailedException(
                $"'{deviceId}' has no key to sign with: it proves itself by certificate. Use --policy with a policy that has DeviceConnect.");
            var scope = path.Length == 0 ? signer.Host : $"{signer.Host}/{path.TrimStart('/')}";
            var token = SasToken.Mint(scope, key, expires, signer.SharedAccessKeyName);
            Print(parsed.GetValue(json), "sas", token);
            return Tool.Done;
        });
        return command;
    }

    /// <summary>A device's or module's connection string, made from its identity.</summary>
    public static async Task<ConnectionString> DeviceConnectionAsync(HubTarget target, string deviceId, string? moduleId, CancellationToken stopping)
    {
        var id = IdOf(deviceId, moduleId);
        if (target.Service.Identity == id)
        {
            return target.Service;
        }

        using var rest = new HubRest(target, TimeProvider.System);
        var identity = await rest.GetAsync(HubRest.PathOf(deviceId, moduleId), stopping);
        var authentication = identity?["authentication"];
        var isKey = (string?)authentication?["type"] is null or "sas";
        return new ConnectionString
        {
            HostName = target.Service.Host,
            Identity = id,
            SharedAccessKey = isKey ? (string?)authentication?["symmetricKey"]?["primaryKey"] : null,
            UsesX509 = !isKey,
        };
    }

    private static IdentityId IdOf(string deviceId, string? moduleId) =>
        !DeviceId.TryParse(deviceId, out var device) ? throw new CommandFailedException($"'{deviceId}' cannot be an id: {IdentityText.Rule}.", isUsage: true)
        : moduleId is null ? new IdentityId(device)
        : ModuleId.TryParse(moduleId, out var module) ? new IdentityId(device, module)
        : throw new CommandFailedException($"'{moduleId}' cannot be an id: {IdentityText.Rule}.", isUsage: true);

    private static async Task<string> PolicyOfAsync(HubTarget target, string? name, CancellationToken stopping)
    {
        if (target.DataDirectory is null)
        {
            return name is null || name.Equals(target.Service.SharedAccessKeyName, StringComparison.OrdinalIgnoreCase)
                ? target.Service.ToString()
                : throw new CommandFailedException($"--login gives the policy '{target.Service.SharedAccessKeyName}', so '{name}' cannot be had.");
        }

        return target.Policies.FirstOrDefault(policy => policy.Key.Equals(name ?? "iothubowner", StringComparison.OrdinalIgnoreCase)).Value
            ?? await PolicyCommand.FindConnectionStringAsync(target, name!, stopping)
            ?? throw new CommandFailedException($"There is no policy '{name}'. 'nave policy list' shows them.");
    }

    private static string EventsOf(HubTarget target) => target.Events?.ToString() ?? throw new CommandFailedException(
        "The events endpoint of a hub elsewhere is not in its connection string; the hub's owner can tell.");

    private static TimeSpan ReadLife(string? text) =>
        text is null ? DefaultLife
        : OptionTable.TryReadDuration(text) is { } life && life > TimeSpan.Zero ? life
        : throw new CommandFailedException($"--ttl: '{text}' is not a duration: write 30s, 5m, 1h or 1d.", isUsage: true);

    private static void Print(bool asJson, string name, string value)
    {
        if (asJson)
        {
            Output.Json(new JsonObject { [name] = value });
        }
        else
        {
            Console.Out.WriteLine(value);
        }
    }
}
