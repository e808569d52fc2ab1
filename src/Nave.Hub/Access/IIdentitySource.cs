using Nave.Hub.Devices;
using Nave.Protocol.Identities;

namespace Nave.Hub.Access;

/// <summary>What access asks of the identity registry; tests have one in memory.</summary>
internal interface IIdentitySource
{
    /// <summary>Raised after a change is durable: (before, after); null means absent.</summary>
    event Action<DeviceIdentity?, DeviceIdentity?>? Changed;

    /// <summary>The identity, or null. Of a module: with its device's status.</summary>
    ValueTask<DeviceIdentity?> FindAsync(IdentityId id, CancellationToken stopping);

    /// <summary>
    /// Rises with each change of the identity, before <see cref="Changed"/> is raised: what was read when it was the same
    /// is still so. Others may raise it, too. 0 where nothing is counted.
    /// </summary>
    long StampOf(IdentityId id);
}

/// <summary>The registry as that.</summary>
internal sealed class RegistryIdentities(DeviceRegistry registry) : IIdentitySource
{
    /// <inheritdoc/>
    public event Action<DeviceIdentity?, DeviceIdentity?>? Changed
    {
        add => registry.Changed += value;
        remove => registry.Changed -= value;
    }

    /// <inheritdoc/>
    public ValueTask<DeviceIdentity?> FindAsync(IdentityId id, CancellationToken stopping) => registry.FindAsync(id, stopping);

    /// <inheritdoc/>
    public long StampOf(IdentityId id) => registry.StampOf(id);
}
