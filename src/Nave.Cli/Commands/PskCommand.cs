using System.CommandLine;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Nave.Cli.Psk;
using Nave.Hub.Hosting;
using Nave.Protocol.Identities;
using Nave.PskGateway.Keys;

namespace Nave.Cli.Commands;

/// <summary><c>nave psk</c>: the TLS-PSK gateway, and the keys that its devices have.</summary>
internal static class PskCommand
{
    /// <summary><c>nave psk run|add|list|revoke|import|export</c> and <c>nave psk group add|list|key|remove</c>.</summary>
    public static Command Create() => new("psk", "Gateway for devices that have a pre-shared key (TLS-PSK) and speak MQTT")
    {
        Run(),
        Add(),
        List(),
        Revoke(),
        Import(),
        Export(),
        PskGroupCommand.Create(),
    };

    /// <summary>Runs an action on the key store.</summary>
    internal static void OnStore(Command command, Func<ParseResult, PskStore, CancellationToken, Task> act)
    {
        var arguments = RoleArguments<PskRunOptions>.AddTo(command, PskOptionTable.All, row => row.Flag is "--data" or "--store" or "--master-key");
        command.SetAction(async (parsed, stopping) =>
        {
            await using var store = await PskGatewayRun.OpenStoreAsync(arguments.Read(parsed), TimeProvider.System, NullLoggerFactory.Instance, stopping);
            await act(parsed, store, stopping);
            return Tool.Done;
        });
    }

    /// <summary>A key as it was typed, or a new one.</summary>
    internal static byte[] KeyOf(string? hex)
    {
        if (hex is null)
        {
            return PskRules.Generate();
        }

        if (!PskRules.TryReadKey(hex, out var key, out var problem))
        {
            throw new CommandFailedException(problem, isUsage: true);
        }

        if (key.Length < PskRules.GoodKeyBytes)
        {
            Console.Error.WriteLine($"Warning: the key has {key.Length} bytes; {PskRules.GoodKeyBytes} random ones are better.");
        }

        return key;
    }

    private static Command Run()
    {
        var command = new Command("run", "Run the gateway");
        var arguments = RoleArguments<PskRunOptions>.AddTo(command, PskOptionTable.All, _ => true);
        command.SetAction(async (parsed, stopping) =>
        {
            await PskGatewayRun.RunAsync(arguments.Read(parsed), TimeProvider.System, stopping);
            return Tool.Done;
        });
        return command;
    }

    private static Command Add()
    {
        var command = new Command("add", "Add a key: generated and shown once, or one that the device has already");
        var identity = IdentityArgument(command);
        var device = new Option<string?>("--device-id", "-d") { Description = "Device that it stands for [the pattern's, or the identity itself]", HelpName = "ID" };
        var slot = SlotOption();
        var key = new Option<string?>("--key") { Description = "Key that the device has, in hex; '-' reads it from standard input", HelpName = "HEX" };
        var from = new Option<string?>("--valid-in") { Description = "When it begins to be good, such as 1h [now]", HelpName = "TIME" };
        var until = new Option<string?>("--expires-in") { Description = "How long it is good for, such as 90d [for ever]", HelpName = "TIME" };
        var json = Output.JsonOption();
        foreach (var option in (Option[])[device, slot, key, from, until, json])
        {
            command.Options.Add(option);
        }

        OnStore(command, async (parsed, store, stopping) =>
        {
            var hex = parsed.GetValue(key) is "-" ? await Console.In.ReadLineAsync(stopping) : parsed.GetValue(key);
            var bytes = KeyOf(hex?.Trim());
            var entry = new NewPsk(parsed.GetRequiredValue(identity), SlotOf(parsed.GetValue(slot)), DeviceOf(parsed.GetValue(device)))
            {
                NotBefore = MomentOf(parsed.GetValue(from), "--valid-in"),
                NotAfter = MomentOf(parsed.GetValue(until), "--expires-in"),
            };
            if (await store.AddAsync(entry, bytes, stopping) is { } problem)
            {
                throw new CommandFailedException(problem);
            }

            var shown = hex is null ? Convert.ToHexStringLower(bytes) : null;
            if (parsed.GetValue(json))
            {
                Output.Json(new JsonObject { ["identity"] = entry.Identity, ["slot"] = entry.Slot, ["deviceId"] = entry.Device?.Value, ["notBefore"] = entry.NotBefore, ["notAfter"] = entry.NotAfter, ["key"] = shown });
            }
            else
            {
                Output.Fields([("identity", entry.Identity), ("slot", entry.Slot), ("device", entry.Device?.Value ?? "by its identity"), ("key", shown ?? "the one that was given")]);
            }
        });
        return command;
    }

    private static Command List()
    {
        var command = new Command("list", "List identities and their devices; never the keys");
        var json = Output.JsonOption();
        command.Options.Add(json);
        OnStore(command, async (parsed, store, stopping) =>
        {
            var rows = await store.ListAsync(stopping);
            if (parsed.GetValue(json))
            {
                Output.Json(new JsonArray([.. rows.Select(row => (JsonNode)new JsonObject
                {
                    ["identity"] = row.Identity,
                    ["slot"] = row.Slot,
                    ["deviceId"] = row.Device?.Value,
                    ["createdAt"] = row.CreatedAt,
                    ["notBefore"] = row.NotBefore,
                    ["notAfter"] = row.NotAfter,
                    ["lastUsed"] = row.LastUsed,
                })]));
                return;
            }

            Output.Table(
                ["identity", "slot", "device", "created", "valid", "last used"],
                rows.Select(row => (IReadOnlyList<string?>)[row.Identity, row.Slot, row.Device?.Value ?? "by its identity", $"{row.CreatedAt:u}", ValidityOf(row), row.LastUsed is { } used ? $"{used:u}" : "never"]));
        });
        return command;
    }

    private static Command Revoke()
    {
        var command = new Command("revoke", "Remove an identity's keys: it is cut within a second, and does not connect again");
        var identity = IdentityArgument(command);
        var slot = SlotOption();
        command.Options.Add(slot);
        OnStore(command, async (parsed, store, stopping) =>
        {
            var name = parsed.GetRequiredValue(identity);
            var only = parsed.GetValue(slot) is { } text ? SlotOf(text) : null;
            if (await store.RemoveAsync(name, only, stopping) == 0)
            {
                throw new CommandFailedException($"'{name}' has no such key.");
            }
        });
        return command;
    }

    private static Command Import()
    {
        var command = new Command("import", "Add keys from a file as mosquitto has them: IDENTITY:HEX a line, or IDENTITY:HEX:DEVICE");
        var file = new Argument<string>("FILE") { Description = "The file; '-' for standard input" };
        command.Arguments.Add(file);
        OnStore(command, async (parsed, store, stopping) =>
        {
            var name = parsed.GetRequiredValue(file);
            var problems = new List<string>();
            var added = 0;
            var number = 0;
            await foreach (var line in LinesOfAsync(name, stopping))
            {
                number++;
                if (line.Length == 0 || line[0] is '#')
                {
                    continue;
                }

                // An identity may hold a colon (a MAC address); a key and a device id's separator are looked for from the end.
                if (await ImportAsync(line, store, stopping) is { } problem)
                {
                    problems.Add($"line {number}: {problem}");
                }
                else
                {
                    added++;
                }
            }

            Output.Fields([("added", $"{added}")]);
            if (problems.Count > 0)
            {
                throw new CommandFailedException(string.Join(Environment.NewLine, problems));
            }
        });
        return command;
    }

    private static async Task<string?> ImportAsync(string line, PskStore store, CancellationToken stopping)
    {
        if (PskLine.Parse(line) is not { } read)
        {
            return "it is not IDENTITY:HEX or IDENTITY:HEX:DEVICE";
        }

        return PskRules.TryReadKey(read.Hex, out var key, out var problem)
            ? await store.AddAsync(new NewPsk(read.Identity, PskRecord.Primary, read.Device), key, stopping)
            : problem;
    }

    private static Command Export()
    {
        var command = new Command("export", "Print the keys themselves, IDENTITY:HEX or IDENTITY:HEX:DEVICE a line: for a move, never for a log");
        OnStore(command, async (_, store, stopping) =>
        {
            foreach (var row in await store.ListAsync(stopping))
            {
                var key = store.Open(row) ?? throw new CommandFailedException($"The key of '{row.Identity}' does not open: its row was damaged or moved.");
                await Console.Out.WriteLineAsync($"{row.Identity}:{Convert.ToHexStringLower(key)}{(row.Device is { } id ? $":{id}" : "")}");
            }
        });
        return command;
    }

    private static async IAsyncEnumerable<string> LinesOfAsync(string file, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken stopping)
    {
        using var reader = file is "-" ? Console.In : OpenFile(file);
        while (await reader.ReadLineAsync(stopping) is { } line)
        {
            yield return line.Trim();
        }
    }

    private static StreamReader OpenFile(string file)
    {
        try
        {
            return new StreamReader(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandFailedException(e.Message);
        }
    }

    private static Argument<string> IdentityArgument(Command command)
    {
        var identity = new Argument<string>("IDENTITY") { Description = "What the device calls itself in the handshake" };
        command.Arguments.Add(identity);
        return identity;
    }

    private static Option<string?> SlotOption() => new("--slot") { Description = "primary or secondary: an identity may have two, for rotation", HelpName = "SLOT" };

    private static string SlotOf(string? text) => text switch
    {
        null or PskRecord.Primary => PskRecord.Primary,
        PskRecord.Secondary => PskRecord.Secondary,
        _ => throw new CommandFailedException("--slot: primary or secondary", isUsage: true),
    };

    private static DeviceId? DeviceOf(string? text) =>
        text is null ? null : DeviceId.TryParse(text, out var id) ? id : throw new CommandFailedException($"--device-id: {IdentityText.Rule}", isUsage: true);

    private static DateTimeOffset? MomentOf(string? text, string option) => text is null ? null
        : OptionTable.TryReadDuration(text) is { } span ? TimeProvider.System.GetUtcNow() + span
        : throw new CommandFailedException($"{option}: '{text}' is not a duration: write 90d, 12h or 30m", isUsage: true);

    private static string ValidityOf(PskRecord row) => (row.NotBefore, row.NotAfter) switch
    {
        (null, null) => "always",
        ({ } from, null) => $"from {from:u}",
        (null, { } until) => $"until {until:u}",
        ({ } from, { } until) => $"{from:u} to {until:u}",
    };
}
