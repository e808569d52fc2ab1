using System.Net;
using Nave.Protocol.Identities;

namespace Nave.Hub.Heads.Amqp;

/// <summary>What a link of a device or module is for.</summary>
internal enum DeviceLinkKind
{
    /// <summary>Device-to-cloud messages.</summary>
    Telemetry,

    /// <summary>Cloud-to-device messages.</summary>
    Commands,

    /// <summary>Direct methods: requests one way, answers the other.</summary>
    Methods,

    /// <summary>The twin: requests one way, answers and desired changes the other.</summary>
    Twin,

    /// <summary>Messages to a module's inputs.</summary>
    Inputs,
}

/// <summary>
/// The address of a device's or module's link taken apart (spec/device-amqp.md 4.1). Clients write ids raw (Node),
/// percent-encoded or form-encoded (C#), and ids may hold <c>%</c> and <c>+</c> themselves: which of the possible identities
/// is meant is seen when one of them exists.
/// </summary>
internal sealed record DeviceAddress(DeviceLinkKind Kind, IReadOnlyList<IdentityId> Candidates)
{
    /// <summary>Reads an address that begins with <c>devices</c>; null when it is none of a device.</summary>
    /// <param name="address">The link's address.</param>
    /// <param name="peerSends">Which way messages go.</param>
    public static DeviceAddress? TryRead(LinkAddress address, bool peerSends)
    {
        if (address.Segments.Count < 3 || !address.Is(0, "devices"))
        {
            return null;
        }

        var isModule = address.Segments.Count > 4 && address.Is(2, "modules");
        var at = isModule ? 4 : 2;
        var candidates = ReadIds(address.Segments[1], isModule ? address.Segments[3] : null);
        return ReadKind(address, at, isModule, peerSends) is { } kind && candidates.Count > 0
            ? new DeviceAddress(kind, candidates)
            : null;
    }

    /// <summary>The identities that the encoded ids of an address may mean, the likeliest first.</summary>
    public static IReadOnlyList<IdentityId> ReadIds(string device, string? module)
    {
        var ids = new List<IdentityId>(1);
        foreach (var deviceText in Spellings(device))
        {
            if (!DeviceId.TryParse(deviceText, out var deviceId))
            {
                continue;
            }

            if (module is null)
            {
                ids.Add(new IdentityId(deviceId));
                continue;
            }

            foreach (var moduleText in Spellings(module))
            {
                if (ModuleId.TryParse(moduleText, out var moduleId))
                {
                    ids.Add(new IdentityId(deviceId, moduleId));
                }
            }
        }

        return ids;
    }

    private static DeviceLinkKind? ReadKind(LinkAddress address, int at, bool isModule, bool peerSends)
    {
        var isPair = address.Segments.Count == at + 2;
        if (isPair && address.Is(at, "messages") && address.Is(at + 1, "events"))
        {
            return peerSends ? DeviceLinkKind.Telemetry : isModule ? DeviceLinkKind.Inputs : null;
        }

        if (isPair && address.Is(at, "messages") && address.Is(at + 1, "devicebound"))
        {
            return peerSends ? null : DeviceLinkKind.Commands;
        }

        return isPair && address.Is(at, "methods") && address.Is(at + 1, "devicebound") ? DeviceLinkKind.Methods
            : address.Segments.Count == at + 1 && address.Is(at, "twin") ? DeviceLinkKind.Twin
            : null;
    }

    private static IEnumerable<string> Spellings(string segment)
    {
        yield return segment;
        var decoded = Uri.UnescapeDataString(segment);
        if (decoded != segment)
        {
            yield return decoded;
        }

        var form = WebUtility.UrlDecode(segment);
        if (form != segment && form != decoded)
        {
            yield return form;
        }
    }
}
