using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Nave.Protocol.Messages;

namespace Nave.Storage;

/// <summary>
/// A JSON tree of moments, kept short: a number is a moment in ticks, an object has its own under the empty name and those
/// below it by theirs. A JSON merge patch of the same kind changes it. Written out, every moment is a member of an object.
/// </summary>
internal static class TimeTree
{
    // What was never set, as the service writes it.
    private const string Never = "0001-01-01T00:00:00Z";

    private static readonly JsonWriterOptions WriterOptions = new() { SkipValidation = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The tree with each moment as text in a member <paramref name="label"/>, which stands before the others.</summary>
    public static byte[] Expand(ReadOnlyMemory<byte> tree, string label)
    {
        using var document = JsonDocument.Parse(tree);
        var output = new ArrayBufferWriter<byte>((tree.Length * 3) + 64);
        using (var writer = new Utf8JsonWriter(output, WriterOptions))
        {
            Write(writer, document.RootElement, label);
        }

        return output.WrittenSpan.ToArray();
    }

    private static void Write(Utf8JsonWriter writer, JsonElement node, string label)
    {
        writer.WriteStartObject();
        if (node.ValueKind is JsonValueKind.Number)
        {
            writer.WriteString(label, TextOf(node.GetInt64()));
        }
        else if (node.ValueKind is JsonValueKind.Object)
        {
            var hasOwn = node.TryGetProperty(""u8, out var own);
            if (hasOwn)
            {
                writer.WriteString(label, TextOf(own.GetInt64()));
            }

            foreach (var member in node.EnumerateObject())
            {
                if (member.Value.ValueKind is JsonValueKind.String)
                {
                    // Rows of an earlier version are written out already, until a patch changes them.
                    if (!hasOwn)
                    {
                        member.WriteTo(writer);
                    }
                }
                else if (!member.NameEquals(""u8) && NameOf(member) is { } name)
                {
                    writer.WritePropertyName(name);
                    Write(writer, member.Value, label);
                }
            }
        }

        writer.WriteEndObject();
    }

    // Null for one that is no UTF-8: it was once let in, and must not make the rest unreadable.
    private static string? NameOf(JsonProperty member)
    {
        try
        {
            return member.Name;
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private static string TextOf(long ticks) => ticks == 0 ? Never : ServiceTime.Write(new DateTimeOffset(ticks, TimeSpan.Zero));
}
