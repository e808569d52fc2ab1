using System.Text.Json.Nodes;

namespace Nave.Hub.Configurations;

/// <summary>
/// What configurations together want of one twin's desired properties, as a tree: places whose value is theirs, and places
/// that were theirs and are to be given up. Pure. Settings are put in from the lowest priority to the highest: a later one
/// takes the place of an earlier one at the same path or below, and lies over a part of one above.
/// </summary>
internal sealed class DesiredSettings
{
    private readonly Node _root = new();

    /// <summary>Puts a setting over those before.</summary>
    public void Set(TwinSetting setting)
    {
        var node = _root;
        for (var i = 0; i < setting.Path.Count; i++)
        {
            if (node.Value is { } owned)
            {
                node.Value = Overlay(owned, setting.Path.Skip(i), setting.Value);
                return;
            }

            node = node.Child(setting.Path[i]);
        }

        node.Children.Clear();
        node.Value = setting.Value.DeepClone();
    }

    /// <summary>Gives up what a setting of the past has put there, as far as no setting of now holds it. After all <see cref="Set"/>.</summary>
    public void GiveUp(TwinSetting setting)
    {
        var node = _root;
        foreach (var name in setting.Path)
        {
            if (node.Value is not null)
            {
                return;
            }

            node = node.Child(name);
        }

        node.IsGivenUp = node.Value is null;
    }

    /// <summary>The merge patch that makes the section what is wanted; null when it is that already.</summary>
    public JsonObject? Patch(JsonObject section)
    {
        // The section itself is never deleted.
        var patch = _root.Value is JsonObject whole ? PatchOwned(section, whole) : PatchShared(section, _root, isGivenUp: false);
        return patch is JsonObject { Count: > 0 } changes ? changes : null;
    }

    private static JsonNode Overlay(JsonNode under, IEnumerable<string> path, JsonNode value)
    {
        if (path.FirstOrDefault() is not { } name)
        {
            return value.DeepClone();
        }

        var members = under as JsonObject ?? [];
        var rest = path.Skip(1);
        var member = members[name] ?? new JsonObject();
        members.Remove(name);
        members[name] = Overlay(member, rest, value);
        return members;
    }

    // Nobody's place with somebody's below: other members stay, unless the place was given up.
    private static JsonObject PatchShared(JsonObject current, Node node, bool isGivenUp)
    {
        var patch = new JsonObject();
        isGivenUp |= node.IsGivenUp;
        if (isGivenUp)
        {
            foreach (var (name, _) in current.Where(member => !node.Children.ContainsKey(member.Key)))
            {
                patch[name] = null;
            }
        }

        foreach (var (name, child) in node.Children)
        {
            var isThere = current.TryGetPropertyValue(name, out var value);
            if (child.Value is { } owned)
            {
                PutDifference(patch, name, value, owned);
            }
            else if (child.Children.Count == 0)
            {
                if ((isGivenUp || child.IsGivenUp) && isThere)
                {
                    patch[name] = null;
                }
            }
            else if (PatchShared(value as JsonObject ?? [], child, isGivenUp) is { Count: > 0 } below)
            {
                patch[name] = below;
            }
        }

        return patch;
    }

    private static JsonObject PatchOwned(JsonObject current, JsonObject wanted)
    {
        var patch = new JsonObject();
        foreach (var (name, _) in current.Where(member => !wanted.ContainsKey(member.Key)))
        {
            patch[name] = null;
        }

        foreach (var (name, value) in wanted)
        {
            PutDifference(patch, name, current[name], value!);
        }

        return patch;
    }

    private static void PutDifference(JsonObject patch, string name, JsonNode? current, JsonNode wanted)
    {
        if (current is JsonObject before && wanted is JsonObject after)
        {
            if (PatchOwned(before, after) is { Count: > 0 } below)
            {
                patch[name] = below;
            }
        }
        else if (!JsonNode.DeepEquals(current, wanted))
        {
            patch[name] = wanted.DeepClone();
        }
    }

    private sealed class Node
    {
        public Dictionary<string, Node> Children { get; } = new(StringComparer.Ordinal);

        /// <summary>The value that the place must have, or null where it is nobody's.</summary>
        public JsonNode? Value { get; set; }

        /// <summary>Whether what is there and nobody's is to go.</summary>
        public bool IsGivenUp { get; set; }

        public Node Child(string name)
        {
            if (!Children.TryGetValue(name, out var child))
            {
                Children[name] = child = new Node();
            }

            return child;
        }
    }
}
