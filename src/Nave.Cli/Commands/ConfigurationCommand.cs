using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Nave.Cli.Hubs;

namespace Nave.Cli.Commands;

/// <summary><c>nave configuration</c>: automatic device management.</summary>
internal static class ConfigurationCommand
{
    private const string Path = "/configurations";

    /// <summary><c>nave configuration list|show|create|update|delete</c>.</summary>
    public static Command Create() => new("configuration", "Settings that the hub brings to every device that matches a condition")
    {
        ListCommand(),
        ShowCommand(),
        PutCommand("create", "Make a configuration", isUpdate: false),
        PutCommand("update", "Change a configuration's condition, priority, labels or metrics", isUpdate: true),
        DeleteCommand(),
    };

    private static Command ListCommand()
    {
        var command = new Command("list", "List configurations");
        var hub = HubArguments.AddTo(command);
        var json = Output.JsonOption();
        command.Options.Add(json);
        command.SetAction(async (parsed, stopping) =>
        {
            using var rest = new HubRest(hub.Resolve(parsed), TimeProvider.System);
            var list = await rest.GetAsync(Path, stopping);
            if (parsed.GetValue(json))
            {
                Output.Json(list);
                return Tool.Done;
            }

            Output.Table(
                ["configuration", "priority", "targeted", "applied", "condition"],
                (list as JsonArray ?? []).Select(entry => (IReadOnlyList<string?>)
                [
                    Output.TextOf(entry, "id"), Output.TextOf(entry, "priority"), Result(entry, "targetedCount"), Result(entry, "appliedCount"), Output.TextOf(entry, "targetCondition"),
                ]));
            return Tool.Done;
        });
        return command;
    }

    private static Command ShowCommand()
    {
        var command = new Command("show", "Show a configuration and what is counted of it");
        var hub = HubArguments.AddTo(command);
        var id = IdArgument(command);
        var json = Output.JsonOption();
        command.Options.Add(json);
        command.SetAction(async (parsed, stopping) =>
        {
            using var rest = new HubRest(hub.Resolve(parsed), TimeProvider.System);
            Show(await rest.GetAsync(PathOf(parsed.GetRequiredValue(id)), stopping), parsed.GetValue(json));
            return Tool.Done;
        });
        return command;
    }

    private static Command PutCommand(string name, string description, bool isUpdate)
    {
        var command = new Command(name, description);
        var hub = HubArguments.AddTo(command);
        var id = IdArgument(command);
        var changes = new Changes(command, isUpdate);
        var json = Output.JsonOption();
        command.Options.Add(json);
        command.SetAction(async (parsed, stopping) =>
        {
            using var rest = new HubRest(hub.Resolve(parsed), TimeProvider.System);
            var path = PathOf(parsed.GetRequiredValue(id));
            var configuration = isUpdate
                ? await rest.GetAsync(path, stopping) ?? new JsonObject()
                : new JsonObject { ["id"] = parsed.GetRequiredValue(id), ["schemaVersion"] = "1.0" };
            await changes.ApplyAsync(parsed, configuration, stopping);
            Show(await rest.PutAsync(path, configuration, isUpdate ? Output.TextOf(configuration, "etag") : null, stopping), parsed.GetValue(json));
            return Tool.Done;
        });
        return command;
    }

    private static Command DeleteCommand()
    {
        var command = new Command("delete", "Delete a configuration: what it set goes from the twins");
        var hub = HubArguments.AddTo(command);
        var id = IdArgument(command);
        command.SetAction(async (parsed, stopping) =>
        {
            using var rest = new HubRest(hub.Resolve(parsed), TimeProvider.System);
            await rest.DeleteAsync(PathOf(parsed.GetRequiredValue(id)), stopping);
            return Tool.Done;
        });
        return command;
    }

    private static Argument<string> IdArgument(Command command)
    {
        var id = new Argument<string>("id") { Description = "The configuration's id: lower case letters, digits and some marks" };
        command.Arguments.Add(id);
        return id;
    }

    private static void Show(JsonNode? configuration, bool asJson)
    {
        if (asJson)
        {
            Output.Json(configuration);
            return;
        }

        var fields = new List<(string Name, string? Value)>
        {
            ("configuration", Output.TextOf(configuration, "id")),
            ("condition", Output.TextOf(configuration, "targetCondition")),
            ("priority", Output.TextOf(configuration, "priority")),
            ("labels", configuration?["labels"]?.ToJsonString()),
            ("content", configuration?["content"]?.ToJsonString()),
            ("created", Output.TextOf(configuration, "createdTimeUtc")),
            ("changed", Output.TextOf(configuration, "lastUpdatedTimeUtc")),
            ("targeted", Result(configuration, "targetedCount")),
            ("applied", Result(configuration, "appliedCount")),
        };
        fields.AddRange((configuration?["metrics"]?["results"] as JsonObject ?? []).Select(metric => ($"metric {metric.Key}", metric.Value?.ToString())));
        fields.Add(("etag", Output.TextOf(configuration, "etag")));
        Output.Fields(fields);
    }

    private static string PathOf(string id) => $"{Path}/{Uri.EscapeDataString(id)}";

    private static string? Result(JsonNode? configuration, string name) => configuration?["systemMetrics"]?["results"]?[name]?.ToString();

    /// <summary>The options that say what a configuration shall be.</summary>
    private sealed class Changes
    {
        private readonly Option<string?> _target = new("--target") { Description = "Condition, such as \"tags.site = 'north'\"; * for all", HelpName = "CONDITION" };
        private readonly Option<int?> _priority = new("--priority") { Description = "The highest wins where several set the same", HelpName = "N" };
        private readonly Option<string[]> _labels = new("--label") { Description = "A label", HelpName = "NAME=VALUE" };
        private readonly Option<string[]> _metrics = new("--metric") { Description = "A query whose rows are counted", HelpName = "NAME=QUERY" };
        private readonly Option<string[]> _settings = new("--set") { Description = "A desired property of the devices: JSON, or text", HelpName = "PATH=VALUE" };
        private readonly Option<string?> _content = new("--content") { Description = "The whole content from a JSON file; - for standard input", HelpName = "FILE" };

        public Changes(Command command, bool isUpdate)
        {
            command.Options.Add(_target);
            command.Options.Add(_priority);
            command.Options.Add(_labels);
            command.Options.Add(_metrics);
            if (!isUpdate) // The hub keeps the content that a configuration was made with.
            {
                command.Options.Add(_settings);
                command.Options.Add(_content);
                command.Validators.Add(result =>
                {
                    if (result.GetResult(_settings) is not null && result.GetResult(_content) is not null)
                    {
                        result.AddError("Give either --set or --content.");
                    }
                });
            }
        }

        public async Task ApplyAsync(ParseResult parsed, JsonNode configuration, CancellationToken stopping)
        {
            if (parsed.GetValue(_target) is { } target)
            {
                configuration["targetCondition"] = target;
            }

            if (parsed.GetValue(_priority) is { } priority)
            {
                configuration["priority"] = priority;
            }

            if (parsed.GetValue(_labels) is { Length: > 0 } labels)
            {
                configuration["labels"] = Named("--label", labels, value => JsonValue.Create(value));
            }

            if (parsed.GetValue(_metrics) is { Length: > 0 } metrics)
            {
                configuration["metrics"] = new JsonObject { ["queries"] = Named("--metric", metrics, value => JsonValue.Create(value)) };
            }

            if (parsed.GetValue(_settings) is { Length: > 0 } settings)
            {
                var content = Named("--set", settings, TwinChanges.ReadValue);
                configuration["content"] = new JsonObject
                {
                    ["deviceContent"] = new JsonObject(content.ToList().Select(setting =>
                    {
                        content.Remove(setting.Key);
                        return KeyValuePair.Create($"properties.desired.{setting.Key}", setting.Value);
                    })),
                };
            }

            if (parsed.GetValue(_content) is { } file)
            {
                configuration["content"] = await ReadAsync(file, stopping);
            }
        }

        private static JsonObject Named(string option, string[] pairs, Func<string, JsonNode?> read)
        {
            var named = new JsonObject();
            foreach (var pair in pairs)
            {
                var at = pair.IndexOf('=');
                if (at <= 0)
                {
                    throw new CommandFailedException($"{option} wants a name, '=' and a value, not '{pair}'.", isUsage: true);
                }

                named[pair[..at]] = read(pair[(at + 1)..]);
            }

            return named;
        }

        private static async Task<JsonNode?> ReadAsync(string file, CancellationToken stopping)
        {
            try
            {
                var text = file == "-" ? await Console.In.ReadToEndAsync(stopping) : await File.ReadAllTextAsync(file, stopping);
                return JsonNode.Parse(text);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new CommandFailedException($"{file} cannot be read: {e.Message}");
            }
            catch (JsonException e)
            {
                throw new CommandFailedException($"{file} is not JSON: {e.Message}");
            }
        }
    }
}
