using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;
using Nave.Hub.Commands;
using Nave.Protocol.Errors;
using Nave.Protocol.Messages;

namespace Nave.Hub.Heads.Http;

/// <summary>
/// Messages as HTTP headers: <c>iothub-*</c> for system properties, <c>iothub-app-*</c> for the sender's own
/// (spec/device-http.md 2 and 4). Names go out in lower case exactly as clients compare them byte for byte.
/// </summary>
internal static class MessageHeaders
{
    private const string ApplicationPrefix = "iothub-app-";

    /// <summary>Reads the properties of a message from headers. Names are compared without case; a value beyond Latin-1 is refused.</summary>
    public static Outcome<MessageProperties> Read(IEnumerable<KeyValuePair<string, string?>> headers)
    {
        var properties = new MessageProperties();
        var application = new List<KeyValuePair<string, string?>>();
        foreach (var (name, value) in headers)
        {
            if (value is not null && value.AsSpan().ContainsAnyExceptInRange('\u0000', '\u00ff'))
            {
                return HubFailures.ArgumentInvalid.Saying($"The value of {name} has characters that a header cannot carry.");
            }

            if (name.StartsWith(ApplicationPrefix, StringComparison.OrdinalIgnoreCase))
            {
                application.Add(new(name[ApplicationPrefix.Length..], value));
                continue;
            }

            properties = name.ToLowerInvariant() switch
            {
                "iothub-messageid" => properties with { MessageId = value },
                "iothub-correlationid" => properties with { CorrelationId = value },
                "iothub-userid" => properties with { UserId = value },
                "iothub-expiry" => properties with { ExpiryTime = ReadTime(value) },
                "iothub-contenttype" => properties with { ContentType = value },
                "iothub-contentencoding" => properties with { ContentEncoding = value },
                "iothub-interface-id" => properties with { InterfaceId = value },
                "iothub-messageschema" => properties with { Schema = value },
                "iothub-creationtimeutc" => properties with { CreationTime = value },
                "dt-subject" => properties with { Component = value },
                _ => properties, // iothub-to, iothub-ack and iothub-operation decide nothing (spec/device-http.md 1).
            };
        }

        return properties with { Application = application };
    }

    /// <summary>Writes a delivered command's headers (spec/device-http.md 4).</summary>
    public static void Write(CommandDelivery delivery, IHeaderDictionary headers)
    {
        var properties = delivery.Message.Properties;
        headers["ETag"] = $"\"{delivery.LockToken:D}\"";
        Set("iothub-messageid", properties.MessageId);
        Set("iothub-correlationid", properties.CorrelationId);
        Set("iothub-userid", properties.UserId);
        Set("iothub-to", properties.To);
        Set("iothub-sequencenumber", delivery.SequenceNumber.ToString(CultureInfo.InvariantCulture));
        Set("iothub-enqueuedtime", ServiceTime.Write(delivery.EnqueuedTime));
        Set("iothub-deliverycount", Math.Min(delivery.DeliveryCount, byte.MaxValue).ToString(CultureInfo.InvariantCulture));
        Set("iothub-expiry", properties.ExpiryTime is { } expiry ? ServiceTime.Write(expiry) : null);
        Set("iothub-ack", CommandWords.Write(delivery.Message.Acknowledgement));
        Set("iothub-contenttype", properties.ContentType);
        Set("iothub-contentencoding", properties.ContentEncoding);
        Set("iothub-messageschema", properties.Schema);
        Set("iothub-creationtimeutc", properties.CreationTime);
        foreach (var (name, value) in properties.Application)
        {
            Set(ApplicationPrefix + Encode(name, IsNameCharacter), value ?? "");
        }

        void Set(string name, string? value)
        {
            if (value is not null)
            {
                headers[name] = Encode(value, IsValueCharacter);
            }
        }
    }

    /// <summary>ISO 8601, RFC 1123, or JavaScript's <c>Date.toString()</c>; anything else is no time (spec/device-http.md 2).</summary>
    public static DateTimeOffset? ReadTime(string? text)
    {
        if (text is null)
        {
            return null;
        }

        const DateTimeStyles Style = DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal;
        if (DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, Style, out var time))
        {
            return time;
        }

        // "Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)", as Node sends it.
        var zone = text.IndexOf(" (", StringComparison.Ordinal);
        var withoutZone = (zone < 0 ? text : text[..zone]).Replace("GMT", "", StringComparison.Ordinal);
        return DateTimeOffset.TryParseExact(
            withoutZone, "ddd MMM dd yyyy HH:mm:ss zzz", CultureInfo.InvariantCulture, Style, out time) ? time : null;
    }

    // A value that a header cannot carry is percent-encoded: never a 500, never a stuck queue (messaging-semantics.md 2).
    private static string Encode(string text, Func<char, bool> isAllowed)
    {
        if (text.All(isAllowed))
        {
            return text;
        }

        var encoded = new StringBuilder();
        Span<byte> utf8 = stackalloc byte[4];
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.IsBmp && isAllowed((char)rune.Value) && rune.Value != '%')
            {
                encoded.Append((char)rune.Value);
                continue;
            }

            foreach (var octet in utf8[..rune.EncodeToUtf8(utf8)])
            {
                encoded.Append('%').Append(octet.ToString("X2", CultureInfo.InvariantCulture));
            }
        }

        return encoded.ToString();
    }

    private static bool IsValueCharacter(char c) => c is >= ' ' and <= '\u00ff' and not '\u007f';

    // RFC 7230 token.
    private static bool IsNameCharacter(char c) => char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c);
}
