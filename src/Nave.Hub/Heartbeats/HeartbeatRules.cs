using System.Text.Json;

namespace Nave.Hub.Heartbeats;

/// <summary>
/// The rules in force, an immutable set swapped whole: a twin's <c>tags.monitor</c> goes before a group's rule, and that
/// before the default (spec/heartbeat-monitoring.md 3.2).
/// </summary>
internal sealed class HeartbeatRules
{
    /// <summary>The tag with which a device has a rule of its own.</summary>
    public const string Tag = "monitor";

    private readonly string[] _groupTag;

    /// <param name="rules">All of them; without one named <c>default</c>, <paramref name="fallback"/> is it.</param>
    /// <param name="fallback">The default of the configuration.</param>
    /// <param name="groupTag">The tag whose devices fall silent together, such as <c>site</c> or <c>place.gateway</c>.</param>
    public HeartbeatRules(IEnumerable<HeartbeatRule> rules, HeartbeatTerms fallback, string groupTag)
    {
        All = [.. rules.OrderByDescending(rule => rule.Priority).ThenBy(rule => rule.Name, StringComparer.Ordinal)];
        Groups = [.. All.Where(rule => rule.Condition is not null)];
        ReadProperties = Groups.Any(rule => rule.Condition!.ReadsProperties); // Chosen for having one.
        Default = All.FirstOrDefault(rule => rule.Condition is null)?.Terms ?? fallback;
        _groupTag = groupTag.Split('.', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>The rules that operators have set.</summary>
    public IReadOnlyList<HeartbeatRule> All { get; }

    /// <summary>Those of groups, the first to match goes before the others.</summary>
    public IReadOnlyList<HeartbeatRule> Groups { get; }

    /// <summary>Whether a change of properties may change who follows which rule.</summary>
    public bool ReadProperties { get; }

    /// <summary>What is expected of everybody else.</summary>
    public HeartbeatTerms Default { get; }

    /// <summary>What is expected of a device, and the group it falls silent with.</summary>
    /// <param name="tags">Its twin's tags, JSON in UTF-8.</param>
    /// <param name="matching">The first rule whose condition it meets; null for none.</param>
    public (HeartbeatTerms Terms, string? Group) Resolve(ReadOnlyMemory<byte> tags, HeartbeatRule? matching)
    {
        using var parsed = JsonDocument.Parse(tags.Length == 0 ? "{}"u8.ToArray() : tags);
        var root = parsed.RootElement;
        var group = _groupTag.Length > 0 && ValueAt(root, _groupTag) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;
        if (root.ValueKind is JsonValueKind.Object && root.TryGetProperty(Tag, out var own)
            && HeartbeatRule.TryReadTerms(own, "tag", out var terms, out _))
        {
            return (terms, group);
        }

        return (matching?.Terms ?? Default, group);
    }

    private static JsonElement ValueAt(JsonElement tags, IEnumerable<string> path)
    {
        foreach (var name in path)
        {
            if (tags.ValueKind is not JsonValueKind.Object || !tags.TryGetProperty(name, out tags))
            {
                return default;
            }
        }

        return tags;
    }
}
