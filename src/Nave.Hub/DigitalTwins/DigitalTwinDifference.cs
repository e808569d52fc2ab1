using System.Text;
using System.Text.Json.Nodes;
using Nave.Hub.Twins;
using Nave.Protocol.Identities;

namespace Nave.Hub.DigitalTwins;

/// <summary>
/// What a change of a twin means for its digital twin, as a JSON patch: the body of a digital twin change event
/// (spec/messaging-semantics.md 5). A property's value is named whole, components and metadata member by member. Pure.
/// </summary>
internal static class DigitalTwinDifference
{
    /// <summary>The patch from one state to another; null when the digital twin is the same.</summary>
    public static byte[]? Of(IdentityId id, TwinRow before, TwinRow after)
    {
        var patch = new JsonArray();
        AddAll(patch, "", DigitalTwinDocument.Of(id, before), DigitalTwinDocument.Of(id, after));
        return patch.Count == 0 ? null : Encoding.UTF8.GetBytes(patch.ToJsonString());
    }

    private static void AddAll(JsonArray patch, string path, JsonObject before, JsonObject after)
    {
        foreach (var (name, _) in before.Where(member => !after.ContainsKey(member.Key)))
        {
            patch.Add(new JsonObject { ["op"] = "remove", ["path"] = PathOf(path, name) });
        }

        foreach (var (name, value) in after)
        {
            var place = PathOf(path, name);
            if (!before.TryGetPropertyValue(name, out var was))
            {
                patch.Add(new JsonObject { ["op"] = "add", ["path"] = place, ["value"] = value?.DeepClone() });
            }
            else if (was is JsonObject old && value is JsonObject now && IsOfMembers(place, now))
            {
                AddAll(patch, place, old, now);
            }
            else if (!JsonNode.DeepEquals(was, value))
            {
                patch.Add(new JsonObject { ["op"] = "replace", ["path"] = place, ["value"] = value?.DeepClone() });
            }
        }
    }

    // Components, metadata, and what metadata says of one property; not the values in either.
    private static bool IsOfMembers(string path, JsonObject value) =>
        value.ContainsKey("$metadata") || path.EndsWith("/$metadata", StringComparison.Ordinal)
        || path[..path.LastIndexOf('/')].EndsWith("/$metadata", StringComparison.Ordinal);

    private static string PathOf(string path, string name) =>
        $"{path}/{name.Replace("~", "~0", StringComparison.Ordinal).Replace("/", "~1", StringComparison.Ordinal)}";
}
