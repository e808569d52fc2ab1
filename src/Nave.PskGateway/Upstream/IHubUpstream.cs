using Nave.Protocol.Identities;

namespace Nave.PskGateway.Upstream;

/// <summary>
/// The hub that devices are forwarded to (issue 5 item 2): a pool of multiplexed connections, at most 500 devices each.
/// Any thread may call. Owned by the gateway's run; disposing it ends every device's links.
/// </summary>
internal interface IHubUpstream : IAsyncDisposable
{
    /// <summary>
    /// Opens the device's way to the hub. There is one only when the hub knows the device and has it enabled
    /// (spec/tls-psk.md 5): what the hub says is asked for here, not at the first message.
    /// </summary>
    /// <param name="device">The identity that the gateway speaks for.</param>
    /// <param name="events">Told of what the hub has for the device; not called before this has completed, <see cref="IHubDeviceEvents.Closed"/> excepted.</param>
    /// <param name="stopping">Gives up: nothing of the device is left open.</param>
    ValueTask<HubOpening> OpenAsync(DeviceId device, IHubDeviceEvents events, CancellationToken stopping);
}

/// <summary>A device's way to the hub, or why there is none.</summary>
/// <param name="Device">The way, owned by the caller, or null.</param>
/// <param name="Refusal">Why there is none.</param>
/// <param name="Detail">The hub's words, for the operator.</param>
internal readonly record struct HubOpening(IHubDevice? Device, HubRefusal Refusal = HubRefusal.None, string? Detail = null);

/// <summary>Why the hub does not take a device.</summary>
internal enum HubRefusal
{
    /// <summary>It does.</summary>
    None,

    /// <summary>The device is unknown or disabled, or the gateway's policy may not act for it.</summary>
    NotAllowed,

    /// <summary>No connection to the hub can be had now.</summary>
    Unreachable,

    /// <summary>The hub asks to come again later.</summary>
    Throttled,
}
