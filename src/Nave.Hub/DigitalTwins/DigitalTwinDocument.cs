using System.Text.Json.Nodes;
using Nave.Hub.Twins;
using Nave.Protocol.Identities;

namespace Nave.Hub.DigitalTwins;

/// <summary>
/// A device twin read as a digital twin (spec/service-rest.md 10, "Digital twins"): what the device reported as values,
/// what was asked of it and how it answered as metadata, components where <c>"__t": "c"</c> marks them. No model is looked
/// up: the shape of the twin says all. Pure.
/// </summary>
internal static class DigitalTwinDocument
{
    /// <summary>The member by which a component is known in a twin, and its value.</summary>
    public const string ComponentMark = "__t";

    private const string Metadata = "$metadata";

    /// <summary>The document of a twin.</summary>
    public static JsonObject Of(IdentityId id, TwinRow twin)
    {
        var document = new JsonObject { ["$dtId"] = id.Device.Value };
        var metadata = new JsonObject { ["$model"] = twin.ModelId ?? "" };
        AddAll(
            document,
            metadata,
            new Part(Parse(twin.Desired), Parse(twin.DesiredMetadata)),
            new Part(Parse(twin.Reported), Parse(twin.ReportedMetadata)),
            mayHaveComponents: true);
        document[Metadata] = metadata;
        return document;
    }

    /// <summary>Whether a value of a twin is a component.</summary>
    public static bool IsComponent(JsonNode? value) =>
        value is JsonObject members && members[ComponentMark] is JsonValue mark && mark.TryGetValue(out string? text) && text == "c";

    private static void AddAll(JsonObject document, JsonObject metadata, Part desired, Part reported, bool mayHaveComponents)
    {
        foreach (var name in reported.Names.Union(desired.Names).Where(name => name != ComponentMark))
        {
            var (asked, said) = (desired.At(name), reported.At(name));
            if (mayHaveComponents && (IsComponent(asked.Value) || IsComponent(said.Value)))
            {
                var component = new JsonObject();
                var about = new JsonObject();
                AddAll(component, about, asked, said, mayHaveComponents: false);
                component[Metadata] = about;
                document[name] = component;
            }
            else
            {
                metadata[name] = AddProperty(document, name, asked, said);
            }
        }
    }

    private static JsonObject AddProperty(JsonObject document, string name, Part asked, Part said)
    {
        var about = new JsonObject();
        if (asked.Value is { } wanted)
        {
            about["desiredValue"] = wanted.DeepClone();
            about["desiredVersion"] = asked.Metadata?["$lastUpdatedVersion"]?.DeepClone();
        }

        if (said.Value is not { } reported)
        {
            return about;
        }

        // The answer to a writable property wraps its value: {"value":..,"ac":200,"av":3,"ad":".."}.
        if (reported is JsonObject answer && answer.ContainsKey("value") && answer.ContainsKey("ac") && answer.ContainsKey("av"))
        {
            document[name] = answer["value"]?.DeepClone();
            about["ackVersion"] = answer["av"]?.DeepClone();
            about["ackCode"] = answer["ac"]?.DeepClone();
            if (answer["ad"] is { } description)
            {
                about["ackDescription"] = description.DeepClone();
            }
        }
        else
        {
            document[name] = reported.DeepClone();
        }

        about["lastUpdateTime"] = said.Metadata?["$lastUpdated"]?.DeepClone();
        return about;
    }

    private static JsonNode Parse(byte[] json) => JsonNode.Parse(json)!; // A section is an object.

    /// <summary>A place in a section, with the metadata that mirrors it.</summary>
    private readonly record struct Part(JsonNode? Value, JsonNode? Metadata)
    {
        public IEnumerable<string> Names => (Value as JsonObject)?.Select(member => member.Key) ?? [];

        public Part At(string name) => new((Value as JsonObject)?[name], (Metadata as JsonObject)?[name]);
    }
}
