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

    /// <summary>
    /// Writes the bag of a command to a device (spec/device-mqtt.md 6): system properties in the order seen from the
    /// service, <c>iothub-ack</c>, then the sender's own. Times have seven fraction digits, or the C# client drops its link.
    /// </summary>
    /// <param name="properties">What the message carries; its <c>to</c> must be there, since the bag may not be empty.</param>
    /// <param name="acknowledgement">The word of <c>iothub-ack</c>, or null to leave it out.</param>
    public static string WriteCommand(MessageProperties properties, string? acknowledgement)
    {
        var bag = new StringBuilder();
        Add("$.mid", properties.MessageId);
        Add("$.exp", properties.ExpiryTime is { } expiry ? ServiceTime.Write(expiry) : null);
        Add("$.to", properties.To);
        Add("$.cid", properties.CorrelationId);
        Add("$.uid", properties.UserId);
        Add("$.ct", properties.ContentType);
        Add("$.ce", properties.ContentEncoding);
        Add("$.ctime", DateTimeOffset.TryParse(properties.CreationTime, CultureInfo.InvariantCulture, out var created) ? ServiceTime.Write(created) : null);
        Add("$.schema", properties.Schema);
        Add("iothub-ack", acknowledgement);
        foreach (var (name, value) in properties.Application)
        {
            Begin(name);
            if (value is not null)
            {
                bag.Append('=').Append(Uri.EscapeDataString(value));
            }
        }

        return bag.ToString();

        void Add(string name, string? value)
        {
            if (value is not null)
            {
                Begin(name);
                bag.Append('=').Append(Uri.EscapeDataString(value));
            }
        }

        void Begin(string name)
        {
            if (bag.Length > 0)
            {
                bag.Append('&');
            }

            bag.Append(Uri.EscapeDataString(name));
        }
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
