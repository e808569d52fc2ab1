using Nave.Hub.Quotas;
using Nave.Protocol.Identities;

namespace Nave.Hub.Devices;

/// <summary>What sessions are held to: the limits of a device, and the hub's where any are configured.</summary>
internal sealed class SessionLimits(DeviceLimits devices, HubMeter hub, TimeProvider time)
{
    /// <summary>Always on.</summary>
    public DeviceLimits Devices => devices;

    /// <summary>Passes everything where nothing is configured.</summary>
    public HubMeter Hub => hub;

    /// <summary>The turns of a session's messages; null where nothing is configured, so that a message asks nothing.</summary>
    public SendMeter? MeterOf(IdentityId id) => hub.IsOn ? new SendMeter(hub, id, time) : null;
}
