using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using System.Text.Unicode;

namespace Nave.Protocol.Messages;

/// <summary>
/// How MQTT topics carry the properties of a message: <c>key[=value]</c> pairs joined by <c>&amp;</c>, each part
/// percent-encoded (spec/device-mqtt.md 4). Works on the topic's bytes; a plus stays a plus.
/// </summary>
public static class PropertyBag
{
    /// <summary>
    /// Longest value of a system property, in bytes. The service documents none but that of the message id; a stored
    /// event keeps the lengths of its annotations in two bytes.
    /// </summary>
    public const int MaxSystemPropertyBytes = 8 * 1024;

    private const string SystemPrefix = "$.";

    // Enough for almost every part of almost every bag; longer ones are unescaped in pooled memory.
    private const int StackBytes = 256;

    /// <summary>Reads a bag. Empty is no properties. What it refuses closes the connection (400004).</summary>
    /// <param name="bag">The part of the topic behind <c>events/</c>, without <c>?</c> and <c>/</c> around it.</param>
    /// <param name="properties">System properties by their names, everything else as application properties.</param>
    /// <param name="fault">What is wrong, for the operator.</param>
    public static bool TryParse(
        ReadOnlySpan<byte> bag,
        [NotNullWhen(true)] out MessageProperties? properties,
        [NotNullWhen(false)] out string? fault)
    {
        fault = null;
        properties = null;
        if (bag.IsEmpty)
        {
            properties = MessageProperties.Empty;
            return true;
        }

        var collected = new PropertyCollector();
        foreach (var range in bag.Split((byte)'&'))
        {
            fault = ReadPair(bag[range], collected);
            if (fault is not null)
            {
                return false;
            }
        }

        properties = collected.ToProperties();
        return true;
    }

    /// <summary>Replaces <c>%XX</c> by the bytes meant. False when an escape is broken or the result is no UTF-8.</summary>
    public static bool TryUnescape(ReadOnlySpan<byte> escaped, [NotNullWhen(true)] out string? text)
    {
        text = null;
        if (!escaped.Contains((byte)'%'))
        {
            if (Utf8.IsValid(escaped))
            {
                text = Encoding.UTF8.GetString(escaped);
            }

            return text is not null;
        }

        var rented = escaped.Length > StackBytes ? ArrayPool<byte>.Shared.Rent(escaped.Length) : null;
        var bytes = rented ?? stackalloc byte[StackBytes];
        if (TryUnescape(escaped, bytes, out var length) && Utf8.IsValid(bytes[..length]))
        {
            text = Encoding.UTF8.GetString(bytes[..length]);
        }

        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }

        return text is not null;
    }

    private static bool TryUnescape(ReadOnlySpan<byte> escaped, Span<byte> bytes, out int length)
    {
        length = 0;
        for (var i = 0; i < escaped.Length; i++)
        {
            if (escaped[i] is not (byte)'%')
            {
                bytes[length++] = escaped[i];
                continue;
            }

            if (i + 2 >= escaped.Length
                || !byte.TryParse(escaped.Slice(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out bytes[length]))
            {
                return false;
            }

            length++;
            i += 2;
        }

        return true;
    }

    private static string? ReadPair(ReadOnlySpan<byte> pair, PropertyCollector collected)
    {
        if (pair.IsEmpty)
        {
            return "The property bag has an empty pair.";
        }

        var equals = pair.IndexOf((byte)'=');
        var rawKey = equals < 0 ? pair : pair[..equals];
        var rawValue = equals < 0 ? default : pair[(equals + 1)..];
        if (rawKey.IsEmpty)
        {
            return "The property bag has a pair without a key.";
        }

        if (rawValue.Contains((byte)'='))
        {
            return "The property bag has a pair with two '='.";
        }

        string? value = null;
        if (!TryUnescape(rawKey, out var key) || (equals >= 0 && !TryUnescape(rawValue, out value)))
        {
            return "The property bag has a broken percent-encoding.";
        }

        // Decoded first, compared then: most senders write the dollar as %24.
        if (!key.StartsWith(SystemPrefix, StringComparison.Ordinal))
        {
            collected.SetApplication(key, value);
            return null;
        }

        return rawValue.Length > MaxSystemPropertyBytes
            ? $"The system property {key} is longer than {MaxSystemPropertyBytes} bytes."
            : collected.SetSystem(key, value);
    }
}
