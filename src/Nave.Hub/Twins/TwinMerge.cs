using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Nave.Hub.Twins;

/// <summary>
/// JSON merge patch of a section's values and of the metadata that mirrors them (spec/service-rest.md 6.1 and 6.2): objects
/// merge, null deletes, anything else replaces. Pure; what comes in has passed <see cref="TwinRules"/>.
/// </summary>
internal static class TwinMerge
{
    // Up to here members are found one by one: comparing names is cheaper than an index of them.
    private const int IndexedFrom = 48;

    // Of a scratch buffer that is kept: the usual twin's metadata, not the largest one's.
    private const int MaxScratchBytes = 64 << 10;

    [ThreadStatic]
    private static ArrayBufferWriter<byte>? _scratch;

    [ThreadStatic]
    private static ArrayBufferWriter<byte>? _output;

    [ThreadStatic]
    private static Utf8JsonWriter? _writer;

    // What was escaped stays readable: the values go to devices and back ends, never into HTML.
    internal static readonly JsonWriterOptions WriterOptions = new() { SkipValidation = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A section or metadata before anything was written: what a replacement is merged into.</summary>
    public static byte[] Empty { get; } = "{}"u8.ToArray();

    /// <summary>The values after the patch.</summary>
    public static byte[] Values(JsonElement current, JsonElement patch)
    {
        var output = Scratch();
        WriteValue(output, current, patch);
        return output.WrittenSpan.ToArray();
    }

    /// <summary>The metadata after the patch: what it names, and all above, gets the stamp.</summary>
    public static byte[] Metadata(JsonElement current, JsonElement patch, in TwinStamp stamp)
    {
        var output = Scratch();
        WriteNode(output, current, patch, stamp, keepsNulls: false);
        return output.WrittenSpan.ToArray();
    }

    /// <summary>A merge patch that makes of any metadata what <see cref="Metadata"/> makes of it, where leaves are no objects.</summary>
    public static byte[] MetadataPatch(JsonElement patch, in TwinStamp stamp)
    {
        var output = Scratch();
        WriteNode(output, default, patch, stamp, keepsNulls: true);
        return output.WrittenSpan.ToArray();
    }

    // One a thread: a merge is over before the next on its thread begins.
    internal static ArrayBufferWriter<byte> Scratch()
    {
        if (_scratch is null || _scratch.Capacity > MaxScratchBytes)
        {
            _scratch = new ArrayBufferWriter<byte>(4096);
        }

        _scratch.ResetWrittenCount();
        return _scratch;
    }

    // What the patch does not name is copied as it stands: of a large twin a small patch costs little.
    private static void WriteValue(ArrayBufferWriter<byte> output, JsonElement current, JsonElement patch)
    {
        if (patch.ValueKind is not JsonValueKind.Object)
        {
            output.Write(JsonMarshal.GetRawUtf8Value(patch));
            return;
        }

        output.Write("{"u8);
        var start = output.WrittenCount;
        var changes = new Members(patch);
        if (current.ValueKind is JsonValueKind.Object)
        {
            foreach (var member in current.EnumerateObject())
            {
                if (!changes.TryFind(member, out var change))
                {
                    WriteName(output, start, member);
                    output.Write(JsonMarshal.GetRawUtf8Value(member.Value));
                }
                else if (change.ValueKind is not JsonValueKind.Null)
                {
                    WriteName(output, start, member);
                    WriteValue(output, member.Value, change);
                }
            }
        }

        var known = new Members(current);
        foreach (var member in patch.EnumerateObject())
        {
            if (member.Value.ValueKind is not JsonValueKind.Null && !TwinRules.IsMark(member) && !known.TryFind(member, out _))
            {
                WriteName(output, start, member);
                WriteValue(output, default, member.Value);
            }
        }

        output.Write("}"u8);
    }

    // An array has one node, as any other value that is no object.
    private static void WriteNode(ArrayBufferWriter<byte> output, JsonElement current, JsonElement patch, in TwinStamp stamp, bool keepsNulls)
    {
        if (patch.ValueKind is not JsonValueKind.Object)
        {
            output.Write(stamp.Leaf);
            return;
        }

        const int NotFirst = -1; // The stamp stands before all.
        output.Write("{"u8);
        output.Write(stamp.Members);
        var changes = new Members(patch);
        if (current.ValueKind is JsonValueKind.Object)
        {
            foreach (var node in current.EnumerateObject())
            {
                if (TwinStamp.IsIn(node))
                {
                    continue;
                }

                if (!changes.TryFind(node, out var change))
                {
                    WriteName(output, NotFirst, node);
                    output.Write(JsonMarshal.GetRawUtf8Value(node.Value));
                }
                else if (change.ValueKind is not JsonValueKind.Null)
                {
                    WriteName(output, NotFirst, node);
                    WriteNode(output, node.Value, change, stamp, keepsNulls);
                }
            }
        }

        var known = new Members(current);
        foreach (var member in patch.EnumerateObject())
        {
            if (member.Value.ValueKind is JsonValueKind.Null)
            {
                if (keepsNulls)
                {
                    WriteName(output, NotFirst, member);
                    output.Write("null"u8);
                }
            }
            else if (!TwinRules.IsMark(member) && !known.TryFind(member, out _))
            {
                WriteName(output, NotFirst, member);
                WriteNode(output, default, member.Value, stamp, keepsNulls);
            }
        }

        output.Write("}"u8);
    }

    // As it is escaped where it comes from.
    private static void WriteName(ArrayBufferWriter<byte> output, int start, JsonProperty member)
    {
        output.Write(output.WrittenCount == start ? "\""u8 : ",\""u8);
        output.Write(JsonMarshal.GetRawUtf8PropertyName(member));
        output.Write("\":"u8);
    }

    /// <summary>JSON that <paramref name="write"/> writes.</summary>
    public static byte[] Write<T>(T argument, Action<Utf8JsonWriter, T> write)
    {
        var output = _output ?? new ArrayBufferWriter<byte>(4096);
        _output = null; // Taken: what writes may write JSON of its own.
        var writer = _writer ?? new Utf8JsonWriter(output, WriterOptions);
        _writer = null;
        output.ResetWrittenCount();
        writer.Reset(output);
        write(writer, argument);
        writer.Flush();
        var written = output.WrittenSpan.ToArray();
        if (output.Capacity <= MaxScratchBytes)
        {
            (_output, _writer) = (output, writer);
        }

        return written;
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

        public bool TryFind(JsonProperty like, out JsonElement value)
        {
            value = default;
            if (_index is not null)
            {
                return _index.TryGetValue(like.Name, out value);
            }

            if (_object.ValueKind is not JsonValueKind.Object)
            {
                return false;
            }

            var raw = JsonMarshal.GetRawUtf8PropertyName(like);
            return raw.Contains((byte)'\\') ? _object.TryGetProperty(like.Name, out value) : _object.TryGetProperty(raw, out value);
        }
    }
}
