using System.Buffers.Text;
using System.Globalization;
using System.Text;
using Nave.Hub.Devices;
using Nave.Hub.Telemetry;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;
using Nave.Protocol.Messages;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>
/// The topics of one connection: what its PUBLISHes mean, and which filters it may subscribe to
/// (spec/device-mqtt.md 3 and 5). Keeps the encoded properties of the last few telemetry topics, so that a device that
/// repeats a topic has it parsed once. Used by the connection's loop alone.
/// </summary>
internal sealed class MqttTopics(IdentityId id)
{
    // Longer ones come from no client and would not fit behind the prefix of an answer.
    private const int MaxRequestIdBytes = 1024;

    private const string RetainProperty = "mqtt-retain";

    private TopicCache? _cache; // With the first telemetry.

    /// <summary>Reads the topic of a PUBLISH from the device.</summary>
    public PublishIntent Read(ReadOnlySpan<byte> topic, bool retain)
    {
        if (_cache is { } cache && cache.TryGet(topic, retain, out var known))
        {
            return PublishIntent.Telemetry(known);
        }

        return topic.StartsWith("$iothub/"u8)
            ? ReadHubTopic(topic["$iothub/"u8.Length..])
            : ReadTelemetry(topic, retain);
    }

    /// <summary>The properties of a will: those of its topic and the mark that it is one (spec/device-mqtt.md 2.6).</summary>
    public TelemetryProperties? ReadWill(string topic, bool retain)
    {
        var refusal = ReadTelemetryTopic(Encoding.UTF8.GetBytes(topic), out var properties);
        return refusal is not null ? null : TelemetryProperties.From(
            With(Retained(properties, retain), "iothub-MessageType", "Will"));
    }

    /// <summary>Reads a filter of a SUBSCRIBE.</summary>
    /// <returns>What it asks for; <see cref="MqttFeeds.None"/> when this identity may not subscribe to it.</returns>
    public MqttFeeds ReadFilter(string filter)
    {
        var all = MqttFeeds.TwinResponses | MqttFeeds.DesiredProperties | MqttFeeds.Methods
            | (id.IsModule ? MqttFeeds.Inputs : MqttFeeds.Commands);
        if (filter is "#")
        {
            return all;
        }

        // Filters with and without the closing wildcard are taken alike (spec/device-mqtt.md 5).
        ReadOnlySpan<char> path = filter.EndsWith("/#", StringComparison.Ordinal) ? filter.AsSpan(..^2) : filter;
        return path switch
        {
            "$iothub/twin/res" => MqttFeeds.TwinResponses,
            "$iothub/twin/PATCH/properties/desired" => MqttFeeds.DesiredProperties,
            "$iothub/methods/POST" => MqttFeeds.Methods,
            _ when path.StartsWith("$iothub/methods/POST/") && !path["$iothub/methods/POST/".Length..].ContainsAny('/', '+') =>
                MqttFeeds.Methods,
            _ => ReadOwnFilter(path, isOpen: path.Length < filter.Length),
        };
    }

    /// <summary>
    /// What stands before the property bag of a command: the filter as the client wrote it where it names the address, for
    /// clients compare it with their own spelling; the id as registered otherwise (spec/device-mqtt.md 5).
    /// </summary>
    public static string DeviceBoundPrefix(IdentityId id, string filter)
    {
        const string Address = "/messages/devicebound";
        var end = filter.IndexOf(Address, StringComparison.Ordinal);
        return (end < 0 ? $"devices/{id.Device.Value}" : filter[..end]) + Address + "/";
    }

    /// <summary>Whether a filter that asks for methods asks for that one.</summary>
    public static bool IsMethodOf(string filter, string methodName)
    {
        const string Address = "$iothub/methods/POST/";
        if (filter.Length <= Address.Length || filter[Address.Length..] is "#")
        {
            return true;
        }

        ReadOnlySpan<char> name = filter.EndsWith("/#", StringComparison.Ordinal) ? filter.AsSpan(Address.Length..^2) : filter.AsSpan(Address.Length..);
        return name.SequenceEqual(methodName);
    }

    private MqttFeeds ReadOwnFilter(ReadOnlySpan<char> path, bool isOpen)
    {
        Span<byte> bytes = stackalloc byte[512];
        if (path.Length > 256 || !Encoding.UTF8.TryGetBytes(path, bytes, out var length)
            || !TakeOwnPrefix(bytes[..length], out var rest))
        {
            return MqttFeeds.None;
        }

        if (id.IsModule)
        {
            return rest.SequenceEqual("/inputs"u8) || (rest.IsEmpty && isOpen) ? MqttFeeds.Inputs : MqttFeeds.None;
        }

        return rest.SequenceEqual("/messages/devicebound"u8)
            || (isOpen && (rest.IsEmpty || rest.SequenceEqual("/messages"u8)))
            ? MqttFeeds.Commands
            : MqttFeeds.None;
    }

    // devices/{deviceId}[/modules/{moduleId}], ids raw (Node, C#, C, Java) or percent-encoded (Python).
    private bool TakeOwnPrefix(ReadOnlySpan<byte> topic, out ReadOnlySpan<byte> rest)
    {
        rest = topic;
        return TakeLiteral(ref rest, "devices/"u8)
            && IsSpelling(TakeSegment(ref rest), id.Device.Value)
            && (id.Module is not { } module
                || (TakeLiteral(ref rest, "/modules/"u8) && IsSpelling(TakeSegment(ref rest), module.Value)));
    }

    private PublishIntent ReadTelemetry(ReadOnlySpan<byte> topic, bool retain)
    {
        if (ReadTelemetryTopic(topic, out var properties) is { } refusal)
        {
            // A topic that is ours with a bag that is broken is a refused message; any other is not to be spoken of.
            return PublishIntent.Refused(
                refusal.Code is HubErrorCode.ArgumentInvalid ? CloseReason.Refused : CloseReason.ProtocolViolation, refusal);
        }

        var encoded = TelemetryProperties.From(Retained(properties, retain));
        (_cache ??= new TopicCache()).Put(topic, retain, encoded);
        return PublishIntent.Telemetry(encoded);
    }

    private HubFailure? ReadTelemetryTopic(ReadOnlySpan<byte> topic, out MessageProperties properties)
    {
        properties = MessageProperties.Empty;
        if (!TakeOwnPrefix(topic, out var bag)
            || !TakeLiteral(ref bag, "/messages/events"u8)
            || !(bag.IsEmpty || TakeLiteral(ref bag, "/"u8)))
        {
            return HubFailures.AddressNotFound.Because("The topic is none of this device's.");
        }

        // spec/device-mqtt.md 3 rule 2: one "?" before and one "/" behind the bag are taken off; a "/" within is none.
        bag = bag.StartsWith("?"u8) ? bag[1..] : bag;
        bag = bag.EndsWith("/"u8) ? bag[..^1] : bag;
        if (bag.Contains((byte)'/'))
        {
            return HubFailures.ArgumentInvalid.Because("The property bag has a '/'.");
        }

        if (!PropertyBag.TryParse(bag, out var parsed, out var fault))
        {
            return HubFailures.ArgumentInvalid.Because(fault);
        }

        properties = parsed;
        return null;
    }

    private static PublishIntent ReadHubTopic(ReadOnlySpan<byte> topic)
    {
        var rest = topic;
        if (TakeLiteral(ref rest, "twin/GET/?"u8))
        {
            return ReadRequest(PublishKind.TwinGet, rest);
        }

        if (TakeLiteral(ref rest, "twin/PATCH/properties/reported/?"u8))
        {
            return ReadRequest(PublishKind.TwinPatch, rest);
        }

        if (TakeLiteral(ref rest, "methods/res/"u8) && TryReadStatus(TakeSegment(ref rest), out var status) && TakeLiteral(ref rest, "/?"u8))
        {
            var result = ReadRequest(PublishKind.MethodResult, rest);
            return result.Kind is PublishKind.Refused ? result : PublishIntent.MethodResult(status, result.RequestId);
        }

        return PublishIntent.Refused(
            CloseReason.ProtocolViolation, HubFailures.AddressNotFound.Because("The topic is none of the hub's."));
    }

    // spec/device-mqtt.md 8: without a request id there is no way to answer.
    private static PublishIntent ReadRequest(PublishKind kind, ReadOnlySpan<byte> parameters)
    {
        ReadOnlySpan<byte> requestId = default;
        long? version = null;
        foreach (var range in parameters.Split((byte)'&'))
        {
            var pair = parameters[range];
            if (requestId.IsEmpty && TakeLiteral(ref pair, "$rid="u8) && pair.Length is > 0 and <= MaxRequestIdBytes)
            {
                requestId = pair;
            }
            else if (kind is PublishKind.TwinPatch && TakeLiteral(ref pair, "$version="u8))
            {
                version = ReadVersion(pair);
            }
        }

        if (!requestId.IsEmpty)
        {
            return PublishIntent.Request(kind, requestId, version);
        }

        return PublishIntent.Refused(
            CloseReason.ProtocolViolation, HubFailures.ArgumentInvalid.Because("The request has no request id."));
    }

    // What is no number is no version that there is.
    private static long ReadVersion(ReadOnlySpan<byte> text) =>
        Utf8Parser.TryParse(text, out long version, out var used) && used == text.Length ? version : -1;

    // spec/device-mqtt.md 9: an integer, which may be negative.
    private static bool TryReadStatus(ReadOnlySpan<byte> segment, out int status)
    {
        status = 0;
        return !segment.StartsWith("+"u8) && int.TryParse(segment, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out status);
    }

    private static bool IsSpelling(ReadOnlySpan<byte> segment, string idText) =>
        Equals(segment, idText)
        || (segment.Contains((byte)'%') && PropertyBag.TryUnescape(segment, out var text) && text == idText);

    private static bool Equals(ReadOnlySpan<byte> segment, string idText)
    {
        // Ids are ASCII: one byte a character.
        if (segment.Length != idText.Length)
        {
            return false;
        }

        for (var i = 0; i < segment.Length; i++)
        {
            if (segment[i] != idText[i])
            {
                return false;
            }
        }

        return true;
    }

    private static bool TakeLiteral(ref ReadOnlySpan<byte> rest, ReadOnlySpan<byte> literal)
    {
        if (!rest.StartsWith(literal))
        {
            return false;
        }

        rest = rest[literal.Length..];
        return true;
    }

    // Up to the next slash, which stays.
    private static ReadOnlySpan<byte> TakeSegment(ref ReadOnlySpan<byte> rest)
    {
        var slash = rest.IndexOf((byte)'/');
        var segment = slash < 0 ? rest : rest[..slash];
        rest = slash < 0 ? default : rest[slash..];
        return segment;
    }

    // spec/device-mqtt.md 3 rule 5: RETAIN is not kept, only told.
    private static MessageProperties Retained(MessageProperties properties, bool retain) =>
        retain ? With(properties, RetainProperty, "true") : properties;

    private static MessageProperties With(MessageProperties properties, string name, string value) => properties with
    {
        Application = [.. properties.Application.Where(pair => pair.Key != name), new(name, value)],
    };
}
