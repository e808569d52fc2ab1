using Nave.Protocol.Identities;

namespace Nave.Hub.Devices;

/// <summary>
/// Gives every device actor its one home and lets in one call at a time. In one process:
/// <see cref="InProcessDeviceDirectory"/>; across machines an Orleans grain holds the same actor class.
/// </summary>
internal interface IDeviceDirectory
{
    /// <summary>The actor of an identity, whether it is awake or not. Costs nothing until it is called.</summary>
    IDeviceActor Of(IdentityId id);
}
