using System.Text.Json;
using System.Text.Json.Nodes;
using Nave.Hub.Twins;
using Nave.Protocol.Errors;

namespace Nave.Hub.Configurations;

/// <summary>One value that a configuration sets in the desired properties of a twin.</summary>
/// <param name="Path">Where, from the section down; empty for the whole section.</param>
/// <param name="Value">What; never null.</param>
internal sealed record TwinSetting(IReadOnlyList<string> Path, JsonNode Value)
{
    private const string Root = "properties.desired";

    /// <summary>Reads <c>{"properties.desired.a.b": value}</c>, the settings of one twin.</summary>
    public static Outcome<IReadOnlyList<TwinSetting>> ReadAll(JsonElement settings)
    {
        if (settings.ValueKind is not JsonValueKind.Object)
        {
            return Invalid("The content of a configuration names paths and their values.");
        }

        var all = new List<TwinSetting>();
        foreach (var member in settings.EnumerateObject())
        {
            if (!Read(member).TryGet(out var setting, out var failure))
            {
                return failure;
            }

            all.Add(setting);
        }

        return all;
    }

    /// <summary>Whether what this sets includes what the other sets, or is the same.</summary>
    public bool Covers(TwinSetting other) => Path.Count <= other.Path.Count && Path.SequenceEqual(other.Path.Take(Path.Count));

    private static Outcome<TwinSetting> Read(JsonProperty member)
    {
        var name = member.Name;
        if (name != Root && !name.StartsWith(Root + ".", StringComparison.Ordinal))
        {
            return Invalid($"A path of a configuration begins with {Root}.");
        }

        string[] path = name == Root ? [] : name[(Root.Length + 1)..].Split('.');
        if (member.Value.ValueKind is JsonValueKind.Null || JsonNode.Parse(member.Value.GetRawText()) is not { } value)
        {
            return Invalid("A configuration sets values; it does not delete.");
        }

        DropNulls(value);
        if (path.Length == 0 && value is not JsonObject)
        {
            return Invalid($"{Root} is an object.");
        }

        // As the section would be with this setting alone: keys, depth, strings and numbers have the twin's rules.
        using var section = JsonDocument.Parse(Wrap(path, value.DeepClone()).ToJsonString());
        return TwinRules.Check(section.RootElement, ignoresMarks: false) is { } broken
            ? Invalid(broken.Message)
            : new TwinSetting(path, value);
    }

    private static JsonNode Wrap(ReadOnlySpan<string> path, JsonNode value) =>
        path.IsEmpty ? value : new JsonObject { [path[0]] = Wrap(path[1..], value) };

    // A member that is null is a member that is not there.
    private static void DropNulls(JsonNode value)
    {
        if (value is not JsonObject members)
        {
            return;
        }

        foreach (var (name, member) in members.ToList())
        {
            if (member is null)
            {
                members.Remove(name);
            }
            else
            {
                DropNulls(member);
            }
        }
    }

    private static HubFailure Invalid(string why) => HubFailures.InvalidConfigurationContent.Saying(why);
}
