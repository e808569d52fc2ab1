using Nave.Protocol.Identities;

namespace Nave.Hub.Devices;

/// <summary>
/// Who is connected, by which protocol, since when, why it ended, and when it was last heard: rows that carry the node's
/// incarnation, so that those of a former life read as disconnected. Answers from memory; SQL follows in batches, and
/// nothing here waits for it.
/// </summary>
internal sealed class Presence
{
    /// <summary>A session has taken the place.</summary>
    public void Connected(IdentityId id, SessionName session, DeviceProtocol protocol) => throw new NotImplementedException();

    /// <summary>The session that had the place is over.</summary>
    public void Disconnected(IdentityId id, SessionName session, CloseReason reason) => throw new NotImplementedException();

    /// <summary>The highest epoch known of the identity, 0 when none.</summary>
    public long LastEpoch(IdentityId id) => throw new NotImplementedException();
}
