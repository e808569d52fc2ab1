using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Nave.Cli.Commands;

/// <summary>The options that say what a twin shall become: whole sections as JSON, a file, or single paths.</summary>
internal sealed class TwinChanges
{
    private const string Standard = "-";

    private readonly Option<string?> _tags = new("--tags") { Description = "Tags, as a JSON object", HelpName = "JSON" };
    private readonly Option<string?> _desired = new("--desired") { Description = "Desired properties, as a JSON object", HelpName = "JSON" };

    private readonly Option<string[]> _set = new("--set")
    {
        Description = "A value at a path: --set desired.rate=5 --set tags.site=north (JSON, or else text); may be given several times",
        HelpName = "PATH=VALUE",
    };

    private readonly Option<string[]> _remove = new("--remove") { Description = "Remove what is at a path: --remove tags.site", HelpName = "PATH" };
    private readonly Option<string?> _file = new("--file", "-f") { Description = "A twin or a patch of one, from a file, - for standard input", HelpName = "FILE" };
    private readonly bool _isReplace;

    private TwinChanges(Command command, bool isReplace)
    {
        _isReplace = isReplace;
        foreach (var option in isReplace ? [_tags, _desired, _set, _file] : new Option[] { _tags, _desired, _set, _remove, _file })
        {
            command.Options.Add(option);
        }
    }

    /// <summary>Adds them to a command.</summary>
    public static TwinChanges AddTo(Command command, bool isReplace) => new(command, isReplace);

    /// <summary>The body of the PATCH or PUT.</summary>
    public async Task<JsonObject> ReadAsync(ParseResult parsed, CancellationToken stopping)
    {
        var body = parsed.GetValue(_file) is { } file ? OnlyWhatIsOurs(await ReadFileAsync(file, stopping)) : [];
        if (parsed.GetValue(_tags) is { } tags)
        {
            body["tags"] = ReadObject("--tags", tags);
        }

        if (parsed.GetValue(_desired) is { } desired)
        {
            SectionOf(body, "properties")["desired"] = ReadObject("--desired", desired);
        }

        foreach (var assignment in parsed.GetValue(_set) ?? [])
        {
            var equals = assignment.IndexOf('=', StringComparison.Ordinal);
            Put(body, "--set", equals < 0 ? assignment : assignment[..equals], equals < 0 ? throw Wrong("--set", assignment) : ReadValue(assignment[(equals + 1)..]));
        }

        foreach (var path in (_isReplace ? null : parsed.GetValue(_remove)) ?? [])
        {
            Put(body, "--remove", path, null);
        }

        return body.Count > 0
            ? body
            : throw new CommandFailedException("Say what shall change: --tags, --desired, --set or --file.", isUsage: true);
    }

    /// <summary>Puts a value at <c>tags.a.b</c> or <c>desired.a.b</c>.</summary>
    public static void Put(JsonObject body, string option, string path, JsonNode? value)
    {
        var parts = path.Split('.');
        if (parts.Length < 2 || parts[0] is not ("tags" or "desired") || parts.Any(part => part.Length == 0))
        {
            throw Wrong(option, path);
        }

        var target = parts[0] is "tags" ? SectionOf(body, "tags") : SectionOf(SectionOf(body, "properties"), "desired");
        foreach (var part in parts[1..^1])
        {
            target = SectionOf(target, part);
        }

        target[parts[^1]] = value;
    }

    /// <summary>JSON where it is some, text where it is not: <c>5</c>, <c>true</c>, <c>{"a":1}</c>, <c>north</c>.</summary>
    public static JsonNode? ReadValue(string text)
    {
        try
        {
            return JsonNode.Parse(text);
        }
        catch (JsonException)
        {
            return JsonValue.Create(text);
        }
    }

    private static JsonObject SectionOf(JsonObject parent, string name)
    {
        if (parent[name] is not JsonObject section)
        {
            parent[name] = section = [];
        }

        return section;
    }

    private static JsonObject ReadObject(string option, string text)
    {
        try
        {
            return JsonNode.Parse(text) as JsonObject ?? throw new CommandFailedException($"{option}: {text} is JSON, but no object.", isUsage: true);
        }
        catch (JsonException e)
        {
            throw new CommandFailedException($"{option}: that is no JSON object: {e.Message}", isUsage: true);
        }
    }

    // A twin as "show --json" prints it may be changed and sent back: the rest of it is the hub's and the device's.
    private static JsonObject OnlyWhatIsOurs(JsonObject twin)
    {
        var body = new JsonObject();
        if (twin.ContainsKey("tags"))
        {
            body["tags"] = twin["tags"]?.DeepClone();
        }

        if (twin["properties"] is JsonObject properties && properties.ContainsKey("desired"))
        {
            body["properties"] = new JsonObject { ["desired"] = properties["desired"]?.DeepClone() };
        }

        return body;
    }

    private static async Task<JsonObject> ReadFileAsync(string file, CancellationToken stopping)
    {
        try
        {
            await using var input = file is Standard ? Console.OpenStandardInput() : File.OpenRead(file);
            return await JsonNode.ParseAsync(input, cancellationToken: stopping) as JsonObject
                ?? throw new CommandFailedException($"{file} holds JSON, but no object.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new CommandFailedException($"{file} cannot be read: {e.Message}");
        }
    }

    private static CommandFailedException Wrong(string option, string text) =>
        new($"{option}: '{text}' is not of the form tags.NAME{(option is "--set" ? "=VALUE" : "")} or desired.NAME{(option is "--set" ? "=VALUE" : "")}.", isUsage: true);
}
