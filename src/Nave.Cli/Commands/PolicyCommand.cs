using System.CommandLine;
using System.Text.Json.Nodes;
using Nave.Cli.Hubs;

namespace Nave.Cli.Commands;

/// <summary><c>nave policy</c>: shared access policies, on the operator port of the local hub.</summary>
internal static class PolicyCommand
{
    /// <summary><c>nave policy list|show|create|update|roll|delete</c>.</summary>
    public static Command Create() => new("policy", "Shared access policies (local hub, operator port)")
    {
        List(),
        Show(),
        Write("create", "Create a policy", HttpMethod.Put, takesKeys: true),
        Write("update", "Change rights or bounds of a policy", HttpMethod.Patch, takesKeys: false),
        Roll(),
        OperatorCommand.Delete("policies", "Delete a policy: what was signed with it ends at once"),
    };

    /// <summary>The connection string of a policy that <c>connection.json</c> does not hold; null when there is none.</summary>
    public static async Task<string?> FindConnectionStringAsync(HubTarget hub, string name, CancellationToken stopping)
    {
        if (hub.DataDirectory is null)
        {
            return null;
        }

        using var rest = new OperatorRest(hub.DataDirectory);
        var list = await rest.SendAsync(HttpMethod.Get, "policies", null, stopping) as JsonArray ?? [];
        return (string?)list.FirstOrDefault(policy => name.Equals((string?)policy?["name"], StringComparison.OrdinalIgnoreCase))?["connectionString"];
    }

    private static Command List()
    {
        var command = new Command("list", "List policies");
        OperatorCommand.OnGet(command, "policies", list => Output.Table(
            ["policy", "rights", "devices", "addresses"],
            (list as JsonArray ?? []).Select(policy => (IReadOnlyList<string?>)
                [Output.TextOf(policy, "name"), Output.TextOf(policy, "rights"), Output.TextOf(policy, "devicePattern") ?? "all", Addresses(policy)])));
        return command;
    }

    private static Command Show()
    {
        var command = new Command("show", "Show a policy with its keys");
        var name = OperatorCommand.NameOf(command, "POLICY");
        OperatorCommand.OnSend(command, HttpMethod.Get, parsed => $"policies/{name(parsed)}", _ => null, Describe);
        return command;
    }

    private static Command Write(string verb, string description, HttpMethod method, bool takesKeys)
    {
        var command = new Command(verb, description);
        var name = OperatorCommand.NameOf(command, "POLICY");
        var rights = new Option<string?>("--rights")
        {
            Description = "RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect, separated by commas",
            HelpName = "RIGHTS",
            Required = takesKeys,
        };
        var pattern = new Option<string?>("--devices") { Description = "Only for devices whose id matches, with * for anything", HelpName = "PATTERN" };
        var addresses = new Option<string[]>("--addresses") { Description = "Only from these addresses or networks", HelpName = "CIDR", Arity = ArgumentArity.OneOrMore };
        var primary = new Option<string?>("--primary-key") { Description = "Primary key (base64) [generated]", HelpName = "KEY" };
        var secondary = new Option<string?>("--secondary-key") { Description = "Secondary key (base64) [generated]", HelpName = "KEY" };
        command.Options.Add(rights);
        command.Options.Add(pattern);
        command.Options.Add(addresses);
        if (takesKeys)
        {
            command.Options.Add(primary);
            command.Options.Add(secondary);
        }

        OperatorCommand.OnSend(command, method, parsed => $"policies/{name(parsed)}", Body, Describe);
        return command;

        JsonObject Body(ParseResult parsed)
        {
            var body = new JsonObject();
            Put("rights", parsed.GetValue(rights));
            Put("devicePattern", parsed.GetValue(pattern));
            if (takesKeys)
            {
                Put("primaryKey", parsed.GetValue(primary));
                Put("secondaryKey", parsed.GetValue(secondary));
            }

            if (parsed.GetValue(addresses) is { Length: > 0 } networks)
            {
                body["addresses"] = new JsonArray([.. networks.Select(network => (JsonNode)network)]);
            }

            return body;

            void Put(string field, string? value)
            {
                if (value is not null)
                {
                    body[field] = value;
                }
            }
        }
    }

    private static Command Roll()
    {
        var command = new Command("roll", "Replace one key of a policy: what was signed with it ends at once");
        var name = OperatorCommand.NameOf(command, "POLICY");
        var which = new Argument<string>("KEY") { Description = "primary or secondary" };
        which.AcceptOnlyFromAmong("primary", "secondary");
        command.Arguments.Add(which);
        OperatorCommand.OnSend(
            command, HttpMethod.Post, parsed => $"policies/{name(parsed)}/roll",
            parsed => new JsonObject { ["key"] = parsed.GetValue(which) }, Describe);
        return command;
    }

    private static void Describe(JsonNode? policy) => Output.Fields(
    [
        ("policy", Output.TextOf(policy, "name")),
        ("rights", Output.TextOf(policy, "rights")),
        ("primary key", Output.TextOf(policy, "primaryKey")),
        ("secondary key", Output.TextOf(policy, "secondaryKey")),
        ("devices", Output.TextOf(policy, "devicePattern") ?? "all"),
        ("addresses", Addresses(policy)),
        ("connection string", Output.TextOf(policy, "connectionString")),
    ]);

    private static string Addresses(JsonNode? policy) =>
        policy?["addresses"] is JsonArray { Count: > 0 } list ? string.Join(", ", list.Select(item => item?.ToString())) : "all";
}
