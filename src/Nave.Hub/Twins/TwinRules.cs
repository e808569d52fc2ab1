using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Unicode;
using Nave.Protocol;
using Nave.Protocol.Errors;

namespace Nave.Hub.Twins;

/// <summary>
/// What a section, or a patch of one, may hold (spec/service-rest.md 6.3): depth, keys, strings, integers, arrays. Pure.
/// The size is judged of the result, by <see cref="TwinSize"/>.
/// </summary>
internal static class TwinRules
{
    // A member twice has no one meaning; deeper than a hundred is refused by the parser before we count.
    private static readonly JsonDocumentOptions ParseOptions = new() { AllowDuplicateProperties = false, MaxDepth = 64 };

    /// <summary>Parses JSON that a peer sent. The caller disposes of it.</summary>
    public static Outcome<JsonDocument> Parse(ReadOnlyMemory<byte> json)
    {
        // The parser does not look into texts and names; once stored, one that cannot be decoded could not be read back.
        if (!Utf8.IsValid(json.Span))
        {
            return HubFailures.ArgumentInvalid.Saying("The body is not valid UTF-8.");
        }

        try
        {
            return JsonDocument.Parse(json, ParseOptions);
        }
        catch (JsonException)
        {
            return HubFailures.ArgumentInvalid.Saying("The body is not valid JSON, or names a member twice.");
        }
    }

    /// <summary>Null when the section may be stored or applied.</summary>
    /// <param name="section">The value that stands for the section.</param>
    /// <param name="ignoresMarks">Whether <c>$version</c> and <c>$metadata</c> at the top are looked over: back ends send back what they got.</param>
    public static HubFailure? Check(JsonElement section, bool ignoresMarks)
    {
        if (section.ValueKind is not JsonValueKind.Object)
        {
            return Invalid("A section of a twin is a JSON object.");
        }

        try
        {
            return CheckMembers(section, depth: 0, isInArray: false, ignoresMarks);
        }
        catch (InvalidOperationException)
        {
            return Invalid("A text of the twin is not valid UTF-8 or holds half a character.");
        }
    }

    /// <summary>Members of a section that the hub writes and nobody else.</summary>
    public static bool IsMark(JsonProperty member) => member.NameEquals("$version"u8) || member.NameEquals("$metadata"u8);

    private static HubFailure? CheckMembers(JsonElement members, int depth, bool isInArray, bool ignoresMarks = false)
    {
        foreach (var member in members.EnumerateObject())
        {
            if (ignoresMarks && IsMark(member))
            {
                continue;
            }

            if ((CheckKey(member) ?? CheckValue(member.Value, depth, isInArray)) is { } failure)
            {
                return failure;
            }
        }

        return null;
    }

    private static HubFailure? CheckValue(JsonElement value, int depth, bool isInArray)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                return depth >= HubLimits.MaxTwinDepth ? TooDeep() : CheckMembers(value, depth + 1, isInArray);
            case JsonValueKind.Array:
                return depth >= HubLimits.MaxTwinDepth ? TooDeep() : CheckItems(value, depth + 1);
            case JsonValueKind.String:
                return TwinSize.OfText(JsonMarshal.GetRawUtf8Value(value)[1..^1]) > HubLimits.MaxTwinStringBytes
                    ? Invalid($"A string of a twin is {HubLimits.MaxTwinStringBytes} bytes long at most.")
                    : null;
            case JsonValueKind.Number:
                return CheckNumber(value);
            case JsonValueKind.Null when isInArray:
                return Invalid("An array of a twin holds no null.");
            default:
                return null;
        }
    }

    private static HubFailure? CheckItems(JsonElement array, int depth)
    {
        foreach (var item in array.EnumerateArray())
        {
            if (CheckValue(item, depth, isInArray: true) is { } failure)
            {
                return failure;
            }
        }

        return null;
    }

    private static HubFailure? CheckKey(JsonProperty member)
    {
        var raw = JsonMarshal.GetRawUtf8PropertyName(member);
        if (raw.IndexOfAny(Suspicious) < 0 && raw.Length <= HubLimits.MaxTwinKeyBytes && !raw.IsEmpty)
        {
            return null;
        }

        var key = TwinSize.Unescape(raw);
        return key.Length == 0 ? Invalid("A key of a twin is not empty.")
            : key.AsSpan().IndexOfAny(".$ ") >= 0 || key.Any(char.IsControl)
                ? Invalid("A key of a twin has no '.', '$', space or control character.")
            : System.Text.Encoding.UTF8.GetByteCount(key) > HubLimits.MaxTwinKeyBytes
                ? Invalid($"A key of a twin is {HubLimits.MaxTwinKeyBytes} bytes long at most.")
            : null;
    }

    // What is written with a point or an exponent is a float, and floats are free.
    private static HubFailure? CheckNumber(JsonElement number)
    {
        var isWhole = JsonMarshal.GetRawUtf8Value(number).IndexOfAny(".eE"u8) < 0;
        return isWhole && !(number.TryGetInt64(out var value) && value is >= HubLimits.MinTwinInteger and <= HubLimits.MaxTwinInteger)
            ? Invalid($"An integer of a twin lies between {HubLimits.MinTwinInteger} and {HubLimits.MaxTwinInteger}.")
            : null;
    }

    // What a plain key has none of: escapes, forbidden characters, and the bytes that begin C1 controls.
    private static readonly SearchValues<byte> Suspicious =
        SearchValues.Create([.. Enumerable.Range(0, 0x21).Select(b => (byte)b), (byte)'.', (byte)'$', (byte)'\\', 0x7F, 0xC2]);

    private static HubFailure TooDeep() => Invalid($"A twin nests {HubLimits.MaxTwinDepth} objects or arrays at most.");

    private static HubFailure Invalid(string rule) => HubFailures.ArgumentInvalid.Saying(rule);
}
