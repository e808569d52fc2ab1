using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Nave.Hub.Twins;

/// <summary>
/// JSON merge patch of a section's values and of the metadata that mirrors them (spec/service-rest.md 6.1 and 6.2): objects
/// merge, null deletes, anything else replaces. Pure; what comes in has passed <see cref="TwinRules"/>.
/// </summary>
internal static class TwinMerge
{
    // Fewer members are found faster one by one.
    private const int IndexedFrom = 12;

    // What was escaped stays readable: the values go to devices and back ends, never into HTML.
    internal static readonly JsonWriterOptions WriterOptions = new() { SkipValidation = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A section or metadata before anything was written: what a replacement is merged into.</summary>
    public static byte[] Empty { get; } = "{}"u8.ToArray();

    /// <summary>The values after the patch.</summary>
    public static byte[] Values(JsonElement current, JsonElement patch) =>
        Write((current, patch), static (writer, a) => WriteValue(writer, a.current, a.patch));

    /// <summary>The metadata after the patch: what it names, and all above, gets the stamp.</summary>
    public static byte[] Metadata(JsonElement current, JsonElement patch, in TwinStamp stamp) =>
        Write((current, patch, stamp), static (writer, a) => WriteNode(writer, a.current, a.patch, a.stamp));

    private static void WriteValue(Utf8JsonWriter writer, JsonElement current, JsonElement patch)
    {
        if (patch.ValueKind is not JsonValueKind.Object)
        {
            patch.WriteTo(writer);
            return;
        }

        writer.WriteStartObject();
        var changes = new Members(patch);
        if (current.ValueKind is JsonValueKind.Object)
        {
            foreach (var member in current.EnumerateObject())
            {
                if (!changes.TryTake(member.Name, out var change))
                {
                    member.WriteTo(writer);
                }
                else if (change.ValueKind is not JsonValueKind.Null)
                {
                    writer.WritePropertyName(member.Name);
                    WriteValue(writer, member.Value, change);
                }
            }
        }

        var known = new Members(current);
        foreach (var member in patch.EnumerateObject())
        {
            if (member.Value.ValueKind is not JsonValueKind.Null && !TwinRules.IsMark(member) && !known.TryTake(member.Name, out _))
            {
                writer.WritePropertyName(member.Name);
                WriteValue(writer, default, member.Value);
            }
        }

        writer.WriteEndObject();
    }

    // An array has one node, as any other value that is no object.
    private static void WriteNode(Utf8JsonWriter writer, JsonElement current, JsonElement patch, in TwinStamp stamp)
    {
        writer.WriteStartObject();
        stamp.Write(writer);
        if (patch.ValueKind is JsonValueKind.Object)
        {
            var changes = new Members(patch);
            if (current.ValueKind is JsonValueKind.Object)
            {
                foreach (var node in current.EnumerateObject())
                {
                    if (node.NameEquals(TwinStamp.LastUpdated) || node.NameEquals(TwinStamp.LastUpdatedVersion))
                    {
                        continue;
                    }

                    if (!changes.TryTake(node.Name, out var change))
                    {
                        node.WriteTo(writer);
                    }
                    else if (change.ValueKind is not JsonValueKind.Null)
                    {
                        writer.WritePropertyName(node.Name);
                        WriteNode(writer, node.Value, change, stamp);
                    }
                }
            }

            var known = new Members(current);
            foreach (var member in patch.EnumerateObject())
            {
                if (member.Value.ValueKind is not JsonValueKind.Null && !TwinRules.IsMark(member) && !known.TryTake(member.Name, out _))
                {
                    writer.WritePropertyName(member.Name);
                    WriteNode(writer, default, member.Value, stamp);
                }
            }
        }

        writer.WriteEndObject();
    }

    /// <summary>JSON that <paramref name="write"/> writes.</summary>
    public static byte[] Write<T>(T argument, Action<Utf8JsonWriter, T> write)
    {
        var output = new ArrayBufferWriter<byte>(1024);
        using var writer = new Utf8JsonWriter(output, WriterOptions);
        write(writer, argument);
        writer.Flush();
        return output.WrittenSpan.ToArray();
    }

    /// <summary>Finds members by name; thousands in a patch against thousands in a twin must not cost their product.</summary>
    private readonly struct Members
    {
        private readonly JsonElement _object;
        private readonly Dictionary<string, JsonElement>? _index;

        public Members(JsonElement element)
        {
            _object = element;
            if (element.ValueKind is JsonValueKind.Object && element.GetPropertyCount() > IndexedFrom)
            {
                _index = element.EnumerateObject().ToDictionary(member => member.Name, member => member.Value, StringComparer.Ordinal);
            }
        }

        public bool TryTake(string name, out JsonElement value)
        {
            if (_index is not null)
            {
                return _index.TryGetValue(name, out value);
            }

            value = default;
            return _object.ValueKind is JsonValueKind.Object && _object.TryGetProperty(name, out value);
        }
    }
}
