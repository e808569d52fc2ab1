using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Nave.Hub.Configurations;
using Nave.Hub.Twins;
using Nave.Protocol.Errors;

namespace Nave.Hub.DigitalTwins;

/// <summary>
/// A JSON patch of a digital twin as a change of the device twin's desired properties (spec/service-rest.md 10). Only
/// writable properties and components can be named; reported values are the device's. Pure.
/// </summary>
internal static class DigitalTwinPatch
{
    private const int MaxOperations = 1000;

    /// <summary>What a patch makes of a twin; a null change where it leaves it as it is.</summary>
    public static Outcome<DigitalTwinChange> Read(JsonElement patch, TwinRow twin)
    {
        if (patch.ValueKind is not JsonValueKind.Array || patch.GetArrayLength() > MaxOperations)
        {
            return Invalid($"A patch is an array of at most {MaxOperations} operations.");
        }

        var before = JsonNode.Parse(twin.Desired)!.AsObject();
        var after = before.DeepClone().AsObject();
        var reported = JsonNode.Parse(twin.Reported)!.AsObject();
        foreach (var operation in patch.EnumerateArray())
        {
            if (Apply(operation, after, reported) is { } failure)
            {
                return failure;
            }
        }

        var wanted = new DesiredSettings();
        wanted.Set(new TwinSetting([], after));
        if (wanted.Patch(before) is not { } difference)
        {
            return new DigitalTwinChange(null);
        }

        var json = Encoding.UTF8.GetBytes(difference.ToJsonString());
        using var check = JsonDocument.Parse(json);
        return TwinRules.Check(check.RootElement, ignoresMarks: false) is { } broken
            ? broken
            : new DigitalTwinChange(new TwinUpdate(Desired: new SectionChange(json, Replaces: false)));
    }

    private static HubFailure? Apply(JsonElement operation, JsonObject desired, JsonObject reported)
    {
        if (operation.ValueKind is not JsonValueKind.Object
            || !operation.TryGetProperty("op"u8, out var op) || op.ValueKind is not JsonValueKind.String
            || !operation.TryGetProperty("path"u8, out var pointer) || pointer.ValueKind is not JsonValueKind.String
            || !TryReadPath(pointer.GetString()!, out var path))
        {
            return Invalid("An operation of a patch has an op and a path.");
        }

        if (path.Any(name => name.StartsWith('$') || name == DigitalTwinDocument.ComponentMark))
        {
            return Invalid("The metadata of a digital twin and its model cannot be written.");
        }

        switch (op.GetString())
        {
            case "add" or "replace":
                return operation.TryGetProperty("value"u8, out var value) && value.ValueKind is not JsonValueKind.Null
                    ? Put(desired, reported, path, JsonNode.Parse(value.GetRawText())!)
                    : Invalid("An operation that adds or replaces has a value.");
            case "remove":
                Remove(desired, path);
                return null;
            default:
                return Invalid("A digital twin is patched with add, replace and remove.");
        }
    }

    private static HubFailure? Put(JsonObject desired, JsonObject reported, string[] path, JsonNode value)
    {
        var name = path[0];
        var isComponent = DigitalTwinDocument.IsComponent(desired[name]) || DigitalTwinDocument.IsComponent(reported[name]);
        if (path.Length == 1)
        {
            // A whole component says so by its metadata, empty as it is.
            if (value is JsonObject members && (members.Remove("$metadata") || isComponent))
            {
                members[DigitalTwinDocument.ComponentMark] = "c";
            }

            desired[name] = value;
            return null;
        }

        // Two names are a component and its property, unless the first is known to be a property that is an object.
        isComponent |= desired[name] is not JsonObject && reported[name] is not JsonObject;
        var place = Step(desired, name);
        if (isComponent)
        {
            place[DigitalTwinDocument.ComponentMark] = "c";
        }

        foreach (var step in path[1..^1])
        {
            place = Step(place, step);
        }

        place[path[^1]] = value;
        return null;
    }

    private static JsonObject Step(JsonObject place, string name)
    {
        if (place[name] is not JsonObject next)
        {
            place[name] = next = [];
        }

        return next;
    }

    private static void Remove(JsonObject desired, string[] path)
    {
        JsonObject? place = desired;
        foreach (var step in path[..^1])
        {
            place = place?[step] as JsonObject;
        }

        place?.Remove(path[^1]);
    }

    private static bool TryReadPath(string pointer, out string[] path)
    {
        path = pointer.StartsWith('/')
            ? [.. pointer[1..].Split('/').Select(name => name.Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal))]
            : [];
        return path.Length > 0 && path.All(name => name.Length > 0);
    }

    private static HubFailure Invalid(string why) => HubFailures.ArgumentInvalid.Saying(why);
}

/// <summary>What a patch comes to.</summary>
/// <param name="Update">Null where it changes nothing.</param>
internal sealed record DigitalTwinChange(TwinUpdate? Update);
