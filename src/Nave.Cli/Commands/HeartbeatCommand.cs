using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using Nave.Cli.Hubs;
using Nave.Hub.Hosting;

namespace Nave.Cli.Commands;

/// <summary><c>nave heartbeat</c>: who is silent, on the operator port of the local hub.</summary>
internal static class HeartbeatCommand
{
    /// <summary><c>nave heartbeat summary|list|show|watch|rules|set|unset|silence|deliverable</c>.</summary>
    public static Command Create() => new("heartbeat", "Who is silent, and what is expected of whom (local hub, operator port)")
    {
        Summary(),
        List(),
        Show(),
        Watch(),
        Rules(),
        Set(),
        Unset(),
        Silence(),
        Deliverable(),
    };

    private static Command Summary()
    {
        var command = new Command("summary", "How many devices are in each state");
        OperatorCommand.OnGet(command, "heartbeats/summary", summary => Output.Table(
            ["state", "devices"],
            (summary?["states"] as JsonObject ?? []).Select(state => (IReadOnlyList<string?>)[state.Key, state.Value?.ToString()])));
        return command;
    }

    private static Command List()
    {
        var command = new Command("list", "List devices by state");
        var state = new Option<string?>("--state") { Description = "unknown, online, late, offline, failing, disabled or sleeping", HelpName = "STATE" };
        var group = new Option<string?>("--group") { Description = "Only devices of this group (Heartbeats:GroupTag)", HelpName = "GROUP" };
        var top = new Option<int>("--top") { Description = "At most so many", DefaultValueFactory = _ => 1000, HelpName = "COUNT" };
        command.Options.Add(state);
        command.Options.Add(group);
        command.Options.Add(top);
        OperatorCommand.OnSend(
            command, HttpMethod.Get,
            parsed => $"heartbeats/devices?top={parsed.GetValue(top)}&state={Escape(parsed.GetValue(state))}&group={Escape(parsed.GetValue(group))}",
            _ => null,
            page => Output.Table(
                ["device", "state", "since", "last seen", "every (s)", "missed", "rule"],
                (page?["devices"] as JsonArray ?? []).Select(device => (IReadOnlyList<string?>)
                [
                    Output.TextOf(device, "deviceId"), Output.TextOf(device, "state"), Output.TextOf(device, "since"), Output.TextOf(device, "lastSeen"),
                    Output.TextOf(device, "expectedEverySeconds"), Output.TextOf(device, "missed"), Output.TextOf(device, "rule"),
                ])));
        return command;
    }

    private static Command Show()
    {
        var command = new Command("show", "Show one device: its state, the rule that won, its connection");
        var name = OperatorCommand.NameOf(command, "DEVICE");
        OperatorCommand.OnSend(command, HttpMethod.Get, parsed => $"heartbeats/devices/{name(parsed)}", _ => null, device => Output.Fields(
        [
            ("device", Output.TextOf(device, "deviceId")),
            ("state", Output.TextOf(device, "state")),
            ("since", Output.TextOf(device, "since")),
            ("last seen", Output.TextOf(device, "lastSeen")),
            ("last heartbeat", Output.TextOf(device, "lastHeartbeat")),
            ("refused with", Output.TextOf(device, "refusal")),
            ("rule", Output.TextOf(device, "rule")),
            ("late after", Output.TextOf(device?["terms"], "lateAfter") + " s"),
            ("offline after", Output.TextOf(device?["terms"], "offlineAfter") + " s"),
            ("group", Output.TextOf(device, "group")),
            ("connected", Output.TextOf(device?["presence"], "connected")),
            ("protocol", Output.TextOf(device?["presence"], "protocol")),
            ("connection ended by", Output.TextOf(device?["presence"], "reason")),
        ]));
        return command;
    }

    private static Command Watch()
    {
        var command = new Command("watch", "Show what happens, as it happens, until stopped");
        var kind = new Option<string?>("--kind") { Description = "Only transition, alert, resolved, flapping, group or hub", HelpName = "KIND" };
        command.Options.Add(kind);
        var data = HubArguments.AddDataTo(command);
        var json = Output.JsonOption();
        command.Options.Add(json);
        command.SetAction(async (parsed, stopping) =>
        {
            using var rest = new OperatorRest(data(parsed));
            await foreach (var (name, body) in rest.ListenAsync($"heartbeats/stream?kind={Escape(parsed.GetValue(kind))}", stopping))
            {
                if (parsed.GetValue(json))
                {
                    Output.JsonLine(new JsonObject { ["kind"] = name, ["data"] = body.DeepClone() });
                }
                else
                {
                    await Console.Out.WriteLineAsync(Line(name, body));
                }
            }

            return Tool.Done;
        });
        return command;
    }

    private static Command Rules()
    {
        var command = new Command("rules", "List rules, the ones that win first");
        OperatorCommand.OnGet(command, "heartbeats/rules", rules => Output.Table(
            ["rule", "every (s)", "missed allowed", "counts", "condition", "priority"],
            (rules as JsonArray ?? []).Select(rule => (IReadOnlyList<string?>)
                [Output.TextOf(rule, "name"), Output.TextOf(rule, "every"), Output.TextOf(rule, "missedAllowed"), Output.TextOf(rule, "counts"), Output.TextOf(rule, "condition"), Output.TextOf(rule, "priority")])));
        return command;
    }

    private static Command Set()
    {
        var command = new Command("set", "Set a rule; 'default' is the rule of everybody else");
        var name = OperatorCommand.NameOf(command, "RULE");
        var every = Duration("--every", "How often a device is to be heard; 0 for no watch");
        every.Required = true;
        var where = new Option<string?>("--where") { Description = "For which devices, such as \"tags.site = 'north'\"", HelpName = "CONDITION" };
        var missed = new Option<int?>("--missed") { Description = "Periods that may be missed [2]", HelpName = "COUNT" };
        var grace = Duration("--grace", "Given on top of each deadline [a tenth, at least 5s]");
        var first = Duration("--first-contact", "How long a device that was never heard may take [for ever]");
        var maxEvery = Duration("--max-every", "The longest period that a device may choose itself [none]");
        var maxSleep = Duration("--max-sleep", "The longest sleep that a device may announce [none]");
        var counts = new Option<string?>("--counts") { Description = "What proves life: telemetry, heartbeats or any [telemetry]", HelpName = "WHAT" };
        var priority = new Option<int?>("--priority") { Description = "Of two rules for a device the higher wins [0]", HelpName = "NUMBER" };
        foreach (var option in new Option[] { every, where, missed, grace, first, maxEvery, maxSleep, counts, priority })
        {
            command.Options.Add(option);
        }

        OperatorCommand.OnSend(
            command, HttpMethod.Put, parsed => $"heartbeats/rules/{name(parsed)}",
            parsed =>
            {
                var body = new JsonObject();
                Put("every", Seconds(parsed.GetValue(every)));
                Put("condition", parsed.GetValue(where) is { } condition ? JsonValue.Create(condition) : null);
                Put("missedAllowed", parsed.GetValue(missed) is { } count ? JsonValue.Create(count) : null);
                Put("grace", Seconds(parsed.GetValue(grace)));
                Put("firstContactWithin", Seconds(parsed.GetValue(first)));
                Put("maxEvery", Seconds(parsed.GetValue(maxEvery)));
                Put("maxSleep", Seconds(parsed.GetValue(maxSleep)));
                Put("counts", parsed.GetValue(counts) is { } what ? JsonValue.Create(what) : null);
                Put("priority", parsed.GetValue(priority) is { } number ? JsonValue.Create(number) : null);
                return body;

                void Put(string member, JsonValue? value)
                {
                    if (value is not null)
                    {
                        body[member] = value;
                    }
                }
            },
            rule => Output.Fields((rule as JsonObject ?? []).Select(member => (member.Key, member.Value?.ToString()))));
        return command;
    }

    private static Command Unset() => Renamed("unset", OperatorCommand.Delete("heartbeats/rules", "Take a rule away"));

    private static Command Renamed(string name, Command command)
    {
        var renamed = new Command(name, command.Description);
        foreach (var argument in command.Arguments)
        {
            renamed.Arguments.Add(argument);
        }

        foreach (var option in command.Options)
        {
            renamed.Options.Add(option);
        }

        renamed.Action = command.Action;
        return renamed;
    }

    private static Command Silence() => new("silence", "Wake nobody for some devices, for a time: silences and maintenance windows")
    {
        SilenceList(),
        SilenceSet(),
        SilenceEnd(),
    };

    private static Command SilenceList()
    {
        var command = new Command("list", "List silences that are not over, the first to end first");
        OperatorCommand.OnGet(command, "heartbeats/silences", silences => Output.Table(
            ["silence", "from", "until", "in force", "devices", "group", "note"],
            (silences as JsonArray ?? []).Select(silence => (IReadOnlyList<string?>)
            [
                Output.TextOf(silence, "name"), Output.TextOf(silence, "from"), Output.TextOf(silence, "until"), Output.TextOf(silence, "isInForce"),
                (silence?["devices"] as JsonArray)?.Count.ToString(CultureInfo.InvariantCulture) ?? (silence?["group"] is null ? "all" : ""),
                Output.TextOf(silence, "group"), Output.TextOf(silence, "note"),
            ])));
        return command;
    }

    private static Command SilenceSet()
    {
        var command = new Command("set", "Begin a silence, or plan a maintenance window with --from");
        var name = OperatorCommand.NameOf(command, "SILENCE");
        var length = Duration("--for", "How long it lasts");
        length.Required = true;
        var from = new Option<string?>("--from") { Description = "When it begins, ISO 8601 [now]", HelpName = "TIME" };
        var device = new Option<string[]>("--device") { Description = "For this device (several times for several) [all]", HelpName = "DEVICE" };
        var group = new Option<string?>("--group") { Description = "For the devices of this group (Heartbeats:GroupTag)", HelpName = "GROUP" };
        var note = new Option<string?>("--note") { Description = "Why", HelpName = "TEXT" };
        foreach (var option in new Option[] { length, from, device, group, note })
        {
            command.Options.Add(option);
        }

        OperatorCommand.OnSend(
            command, HttpMethod.Put, parsed => $"heartbeats/silences/{name(parsed)}",
            parsed => new JsonObject
            {
                ["for"] = Seconds(parsed.GetValue(length)),
                ["from"] = parsed.GetValue(from),
                ["devices"] = parsed.GetValue(device) is { Length: > 0 } devices ? new JsonArray([.. devices.Select(id => (JsonNode)id)]) : null,
                ["group"] = parsed.GetValue(group),
                ["note"] = parsed.GetValue(note),
            },
            silence => Output.Fields((silence as JsonObject ?? []).Select(member => (member.Key, member.Value?.ToString()))));
        return command;
    }

    private static Command SilenceEnd() => Renamed("end", OperatorCommand.Delete("heartbeats/silences", "End a silence now; what still stands is told"));

    private static Command Deliverable()
    {
        var command = new Command("deliverable", "Ask whether a command would reach a device now: sends an empty one that expires");
        var name = OperatorCommand.NameOf(command, "DEVICE");
        var timeout = new Option<int>("--timeout") { Description = "Seconds to wait", DefaultValueFactory = _ => 5, HelpName = "SECONDS" };
        command.Options.Add(timeout);
        OperatorCommand.OnSend(
            command, HttpMethod.Post, parsed => $"heartbeats/devices/{name(parsed)}/deliverable?timeout={parsed.GetValue(timeout)}", _ => null,
            answer => Output.Fields([("device", Output.TextOf(answer, "deviceId")), ("result", Output.TextOf(answer, "result")), ("after (ms)", Output.TextOf(answer, "milliseconds"))]));
        return command;
    }

    private static Option<string?> Duration(string name, string description) => new(name) { Description = description, HelpName = "DURATION" };

    private static JsonValue? Seconds(string? text) => text is null ? null
        : OptionTable.TryReadDuration(text) is { } duration ? JsonValue.Create(duration.TotalSeconds)
        : throw new CommandFailedException($"'{text}' is not a duration: write 500ms, 30s, 5m, 12h or 1d", isUsage: true);

    private static string Line(string kind, JsonNode body) => Output.Printable(kind switch
    {
        "hub" => $"{Output.TextOf(body, "at")}  the hub: {Output.TextOf(body, "hub")}",
        "group" => $"{Output.TextOf(body, "at")}  group {Output.TextOf(body, "group") ?? "(whole hub)"} is {Output.TextOf(body, "state")}: {Output.TextOf(body, "silent")} of {Output.TextOf(body, "watched")} silent",
        _ => string.Create(
            CultureInfo.InvariantCulture,
            $"{Output.TextOf(body, "since")}  {kind,-10} {Output.TextOf(body, "deviceId")}: {Output.TextOf(body, "previous")} -> {Output.TextOf(body, "state")} ({Output.TextOf(body, "cause")}), last seen {Output.TextOf(body, "lastSeen") ?? "never"}"),
    });

    private static string Escape(string? text) => Uri.EscapeDataString(text ?? "");
}
