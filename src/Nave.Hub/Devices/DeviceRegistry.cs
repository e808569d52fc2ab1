using Nave.Protocol.Identities;

namespace Nave.Hub.Devices;

/// <summary>
/// The identity registry: reads, rules of creation and change, and the feed of changes that cuts live connections.
/// SQL is the truth.
/// </summary>
internal sealed class DeviceRegistry
{
    /// <summary>Raised after a change of an identity is durable, before the writer is answered: (before, after); null means absent.</summary>
    public event Action<DeviceIdentity?, DeviceIdentity?>? Changed;

    /// <summary>The identity, or null. Of a module: with its device's status.</summary>
    public ValueTask<DeviceIdentity?> FindAsync(IdentityId id, CancellationToken stopping)
    {
        Changed?.Invoke(null, null);
        throw new NotImplementedException();
    }
}
