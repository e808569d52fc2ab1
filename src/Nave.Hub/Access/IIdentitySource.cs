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
}
