using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Nave.Hub.Twins;

/// <summary>
/// How large a section is by the service's count (spec/service-rest.md 6.3): the UTF-8 bytes of keys and strings without
/// control characters, 8 for a number, 4 for a boolean.
/// </summary>
internal static class TwinSize
{
    private const int NumberBytes = 8;
    private const int BooleanBytes = 4;

    /// <summary>
    /// No JSON counts more a byte, as text or as SQLite's jsonb: a digit with its comma or its header, two bytes, counts 8, a
    /// boolean is one byte of jsonb and counts 4.
    /// </summary>
    public const int MostPerJsonByte = 4;

    /// <summary>Whether a section is within a limit. Counts only where its length leaves a doubt.</summary>
    public static bool IsWithin(ReadOnlySpan<byte> json, int limit)
    {
        if ((long)json.Length * MostPerJsonByte <= limit)
        {
            return true;
        }

        var reader = new Utf8JsonReader(json);
        using var document = JsonDocument.ParseValue(ref reader);
        return Count(document.RootElement) <= limit;
    }

    /// <summary>The count of a value and all below it.</summary>
    public static long Count(JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                var sum = 0L;
                foreach (var member in value.EnumerateObject())
                {
                    sum += OfText(JsonMarshal.GetRawUtf8PropertyName(member)) + Count(member.Value);
                }

                return sum;
            case JsonValueKind.Array:
                var items = 0L;
                foreach (var item in value.EnumerateArray())
                {
                    items += Count(item);
                }

                return items;
            case JsonValueKind.String:
                return OfText(JsonMarshal.GetRawUtf8Value(value)[1..^1]);
            case JsonValueKind.Number:
                return NumberBytes;
            case JsonValueKind.True or JsonValueKind.False:
                return BooleanBytes;
            default:
                return 0;
        }
    }

    /// <summary>The count of a text as it stands between its quotes.</summary>
    public static int OfText(ReadOnlySpan<byte> raw)
    {
        if (raw.IndexOfAny((byte)'\\', (byte)0xC2, (byte)0x7F) < 0)
        {
            return raw.Length;
        }

        var count = 0;
        foreach (var rune in Unescape(raw).EnumerateRunes())
        {
            count += Rune.IsControl(rune) ? 0 : rune.Utf8SequenceLength;
        }

        return count;
    }

    /// <summary>A text without its escapes.</summary>
    /// <exception cref="InvalidOperationException">It is no text: bytes or escapes that are no characters.</exception>
    public static string Unescape(ReadOnlySpan<byte> raw)
    {
        Span<byte> quoted = raw.Length > 510 ? new byte[raw.Length + 2] : stackalloc byte[raw.Length + 2];
        quoted[0] = quoted[^1] = (byte)'"';
        raw.CopyTo(quoted[1..]);
        var reader = new Utf8JsonReader(quoted);
        reader.Read();
        return reader.GetString()!; // A string token was put there.
    }
}
