using Nave.Protocol.Identities;

namespace Nave.Hub.Devices;

/// <summary>
/// Gives every device actor its one home and lets in one call at a time. In one process:
/// <see cref="InProcessDeviceDirectory"/>; across machines an Orleans grain holds the same actor class.
/// </summary>
internal interface IDeviceDirectory
{
    /// <summary>Takes the connection's place for a session of this node.</summary>
    ValueTask<TakeoverResult> ConnectAsync(IdentityId id, Guid node, long session, long epochFloor, CancellationToken stopping);

    /// <summary>Gives the place back; false when the session no longer had it.</summary>
    ValueTask<bool> DisconnectAsync(IdentityId id, SessionName session, CancellationToken stopping);

    /// <summary>The session that has the place, or null.</summary>
    ValueTask<SessionName?> FindConnectedAsync(IdentityId id, CancellationToken stopping);
}
