using System.Globalization;
using System.Text;
using Nave.Protocol.Identities;
using Nave.Protocol.Messages;

namespace Nave.PskGateway.Mqtt;

/// <summary>
/// The hub's own topics as the gateway serves them (spec/device-mqtt.md 3 to 9), so that a device needs no other firmware
/// for the gateway than for the hub.
/// </summary>
internal static class HubTopics
{
    private const int MaxRequestIdBytes = 256;

    /// <summary>What a device means by publishing to a topic.</summary>
    public static DevicePublish Read(DeviceId device, ReadOnlySpan<byte> topic)
    {
        var rest = topic;
        if (TryTake(ref rest, "$iothub/twin/GET/?"u8))
        {
            return Request(DevicePublishKind.TwinGet, rest);
        }

        if (TryTake(ref rest, "$iothub/twin/PATCH/properties/reported/?"u8))
        {
            return Request(DevicePublishKind.TwinPatch, rest);
        }

        if (TryTake(ref rest, "$iothub/methods/res/"u8))
        {
            var slash = rest.IndexOf("/?"u8);
            return slash > 0 && int.TryParse(rest[..slash], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var status)
                ? Request(DevicePublishKind.MethodResult, rest[(slash + 2)..]) with { Status = status }
                : DevicePublish.None;
        }

        return ReadTelemetry(device, rest);
    }

    /// <summary>What a filter asks for; several things for one with a wildcard.</summary>
    public static DeviceFeeds FeedsOf(DeviceId device, string filter)
    {
        if (filter is "#")
        {
            return DeviceFeeds.Commands | DeviceFeeds.Desired | DeviceFeeds.TwinAnswers | DeviceFeeds.Methods;
        }

        var path = filter.EndsWith("/#", StringComparison.Ordinal) ? filter.AsSpan(..^2) : filter;
        return path switch
        {
            "$iothub/twin/res" => DeviceFeeds.TwinAnswers,
            "$iothub/twin/PATCH/properties/desired" => DeviceFeeds.Desired,
            "$iothub/methods/POST" => DeviceFeeds.Methods,
            _ => path.SequenceEqual($"devices/{device.Value}/messages/devicebound")
                || path.SequenceEqual($"devices/{Uri.EscapeDataString(device.Value)}/messages/devicebound") ? DeviceFeeds.Commands : DeviceFeeds.None,
        };
    }

    /// <summary>The topic of a command.</summary>
    public static string Command(DeviceId device, string properties) => $"devices/{device.Value}/messages/devicebound/{properties}";

    /// <summary>The topic of an answer about the twin.</summary>
    public static string TwinAnswer(int status, string requestId, long? version) => string.Create(
        CultureInfo.InvariantCulture, $"$iothub/twin/res/{status}/?$rid={requestId}{(version is { } v ? $"&$version={v}" : "")}");

    /// <summary>The topic of a desired change.</summary>
    public static string Desired(long version) =>
        string.Create(CultureInfo.InvariantCulture, $"$iothub/twin/PATCH/properties/desired/?$version={version}");

    /// <summary>The topic of a direct method.</summary>
    public static string Method(string name, string requestId) => $"$iothub/methods/POST/{name}/?$rid={requestId}";

    private static DevicePublish ReadTelemetry(DeviceId device, ReadOnlySpan<byte> topic)
    {
        if (!TryTake(ref topic, "devices/"u8))
        {
            return DevicePublish.None;
        }

        var slash = topic.IndexOf((byte)'/');
        if (slash <= 0 || !PropertyBag.TryUnescape(topic[..slash], out var id) || id != device.Value)
        {
            return DevicePublish.None;
        }

        var bag = topic[slash..];
        if (!TryTake(ref bag, "/messages/events"u8) || !(bag.IsEmpty || TryTake(ref bag, "/"u8)))
        {
            return DevicePublish.None;
        }

        // spec/device-mqtt.md 3 rule 2: one "?" before and one "/" behind the bag are taken off.
        bag = bag.StartsWith("?"u8) ? bag[1..] : bag;
        bag = bag.EndsWith("/"u8) ? bag[..^1] : bag;
        return PropertyBag.TryParse(bag, out var properties, out _)
            ? new DevicePublish(DevicePublishKind.Telemetry) { Properties = properties }
            : DevicePublish.None;
    }

    private static DevicePublish Request(DevicePublishKind kind, ReadOnlySpan<byte> parameters)
    {
        foreach (var range in parameters.Split((byte)'&'))
        {
            var pair = parameters[range];
            if (TryTake(ref pair, "$rid="u8) && pair.Length is > 0 and <= MaxRequestIdBytes)
            {
                return new DevicePublish(kind) { RequestId = Encoding.UTF8.GetString(pair) };
            }
        }

        return DevicePublish.None; // Without a request id there is no way to answer.
    }

    private static bool TryTake(ref ReadOnlySpan<byte> rest, ReadOnlySpan<byte> literal)
    {
        if (!rest.StartsWith(literal))
        {
            return false;
        }

        rest = rest[literal.Length..];
        return true;
    }
}

/// <summary>What a device means by a PUBLISH.</summary>
internal readonly record struct DevicePublish(DevicePublishKind Kind)
{
    /// <summary>Nothing that the gateway serves.</summary>
    public static DevicePublish None => default;

    /// <summary>Of telemetry.</summary>
    public MessageProperties? Properties { get; init; }

    /// <summary>Of a request or a method's result.</summary>
    public string? RequestId { get; init; }

    /// <summary>Of a method's result.</summary>
    public int Status { get; init; }
}

/// <summary>What a PUBLISH is.</summary>
internal enum DevicePublishKind
{
    /// <summary>Nothing that the gateway serves.</summary>
    None,

    /// <summary>A device-to-cloud message.</summary>
    Telemetry,

    /// <summary>The twin is asked for.</summary>
    TwinGet,

    /// <summary>Reported properties.</summary>
    TwinPatch,

    /// <summary>The answer to a direct method.</summary>
    MethodResult,
}

/// <summary>What a device can subscribe to.</summary>
[Flags]
internal enum DeviceFeeds
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Cloud-to-device messages.</summary>
    Commands = 1,

    /// <summary>Changes of desired properties.</summary>
    Desired = 2,

    /// <summary>Answers about the twin.</summary>
    TwinAnswers = 4,

    /// <summary>Direct methods.</summary>
    Methods = 8,
}
