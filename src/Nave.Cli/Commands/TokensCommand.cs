using System.CommandLine;
using System.Text.Json.Nodes;
using Nave.Cli.Tokens;
using Nave.Hub.Hosting;
using Nave.Protocol.Identities;
using Nave.Tokens.Secrets;

namespace Nave.Cli.Commands;

/// <summary><c>nave tokens</c>: the token service, and the table of secrets that it may judge by.</summary>
internal static class TokensCommand
{
    private const string DefaultLabel = "default";
    private const int Page = 1000;

    /// <summary><c>nave tokens run</c> and <c>nave tokens secret add|list|remove</c>.</summary>
    public static Command Create() => new("tokens", "Token service: custom credentials in, device tokens out")
    {
        Run(),
        new Command("secret", "Secrets that devices show to the token service")
        {
            Add(),
            List(),
            Remove(),
        },
    };

    private static Command Run()
    {
        var command = new Command("run", "Run the token service");
        var arguments = RoleArguments<TokenRunOptions>.AddTo(command, TokenOptionTable.All, _ => true);
        command.SetAction(async (parsed, stopping) =>
        {
            await TokenServiceRun.RunAsync(arguments.Read(parsed), TimeProvider.System, stopping);
            return Tool.Done;
        });
        return command;
    }

    private static Command Add()
    {
        var command = new Command("add", "Add a secret: generated and shown once, or a chosen password");
        var identity = IdentityArgument(command);
        var device = new Option<string>("--device-id", "-d") { Description = "Device that it stands for", HelpName = "ID", Required = true };
        var label = LabelOption();
        var expires = new Option<string?>("--expires-in") { Description = "How long the secret is good for, such as 90d [for ever]", HelpName = "TIME" };
        var password = new Option<bool>("--password") { Description = "Read a chosen password from standard input instead of generating a secret" };
        var json = Output.JsonOption();
        command.Options.Add(device);
        command.Options.Add(label);
        command.Options.Add(expires);
        command.Options.Add(password);
        command.Options.Add(json);
        OnTable(command, async (parsed, table, stopping) =>
        {
            if (!DeviceId.TryParse(parsed.GetRequiredValue(device), out var id))
            {
                throw new CommandFailedException($"--device-id: {IdentityText.Rule}", isUsage: true);
            }

            var entry = new NewSecret(parsed.GetRequiredValue(identity), id, parsed.GetValue(label) ?? DefaultLabelOf(parsed.GetValue(password)), ExpiryOf(parsed.GetValue(expires)));
            var (secret, problem) = parsed.GetValue(password)
                ? (null, await table.AddChosenAsync(entry, await ReadPasswordAsync(stopping), stopping))
                : await table.AddGeneratedAsync(entry, stopping);
            if (problem is not null)
            {
                throw new CommandFailedException(problem);
            }

            if (parsed.GetValue(json))
            {
                Output.Json(new JsonObject { ["identity"] = entry.Identity, ["label"] = entry.Label, ["deviceId"] = id.Value, ["expiresAt"] = entry.ExpiresAt, ["secret"] = secret });
            }
            else
            {
                Output.Fields([("identity", entry.Identity), ("label", entry.Label), ("device", id.Value), ("secret", secret ?? "the password that was read")]);
            }
        });
        return command;
    }

    private static Command List()
    {
        var command = new Command("list", "List identities, their devices and labels; never the secrets");
        var json = Output.JsonOption();
        command.Options.Add(json);
        OnTable(command, async (parsed, table, stopping) =>
        {
            var rows = new List<SecretRow>();
            for (var page = await table.ListAsync("", Page, stopping); page.Count > 0;)
            {
                // A page that is full may end within an identity, whose rows are then read again with the next one.
                var last = page[^1].Identity;
                var whole = page.Count < Page ? page : [.. page.Where(row => row.Identity != last)];
                rows.AddRange(whole);
                page = page.Count < Page ? [] : await table.ListAsync(whole[^1].Identity, Page, stopping);
            }

            if (parsed.GetValue(json))
            {
                Output.Json(new JsonArray([.. rows.Select(row => (JsonNode)new JsonObject
                {
                    ["identity"] = row.Identity,
                    ["label"] = row.Label,
                    ["deviceId"] = row.DeviceId,
                    ["kind"] = row.Kind,
                    ["createdAt"] = row.CreatedAt,
                    ["expiresAt"] = row.ExpiresAt,
                })]));
                return;
            }

            Output.Table(
                ["identity", "label", "device", "kind", "created", "expires"],
                rows.Select(row => (IReadOnlyList<string?>)[row.Identity, row.Label, row.DeviceId, row.Kind, $"{row.CreatedAt:u}", row.ExpiresAt is { } end ? $"{end:u}" : "never"]));
        });
        return command;
    }

    private static Command Remove()
    {
        var command = new Command("remove", "Remove an identity's secrets. A token that it has already is good until it expires: disable the device in the hub to cut it now");
        var identity = IdentityArgument(command);
        var label = LabelOption();
        command.Options.Add(label);
        OnTable(command, async (parsed, table, stopping) =>
        {
            var name = parsed.GetRequiredValue(identity);
            if (await table.RemoveAsync(name, parsed.GetValue(label), stopping) == 0)
            {
                throw new CommandFailedException($"'{name}' has no such secret.");
            }
        });
        return command;
    }

    private static void OnTable(Command command, Func<ParseResult, SecretTable, CancellationToken, Task> act)
    {
        var arguments = RoleArguments<TokenRunOptions>.AddTo(command, TokenOptionTable.All, row => row.Flag is "--data" or "--sqlite" or "--key-file");
        command.SetAction(async (parsed, stopping) =>
        {
            var options = arguments.Read(parsed);
            await using var database = TokenChecks.OpenDatabase(options);
            var table = await TokenChecks.OpenTableAsync(options, database, TimeProvider.System, stopping);
            await act(parsed, table, stopping);
            return Tool.Done;
        });
    }

    private static Argument<string> IdentityArgument(Command command)
    {
        var identity = new Argument<string>("IDENTITY") { Description = "Its name in the custom identity system" };
        command.Arguments.Add(identity);
        return identity;
    }

    private static Option<string?> LabelOption() => new("--label") { Description = "Tells an identity's secrets apart", HelpName = "LABEL" };

    private static string DefaultLabelOf(bool isPassword) => isPassword ? "password" : DefaultLabel;

    private static DateTimeOffset? ExpiryOf(string? text) => text is null ? null
        : OptionTable.TryReadDuration(text) is { } span ? TimeProvider.System.GetUtcNow() + span
        : throw new CommandFailedException($"--expires-in: '{text}' is not a duration: write 90d, 12h or 30m", isUsage: true);

    private static async Task<string> ReadPasswordAsync(CancellationToken stopping)
    {
        if (!Console.IsInputRedirected)
        {
            await Console.Error.WriteAsync("Password: ");
        }

        return await Console.In.ReadLineAsync(stopping) ?? throw new CommandFailedException("Standard input has no password.", isUsage: true);
    }
}
