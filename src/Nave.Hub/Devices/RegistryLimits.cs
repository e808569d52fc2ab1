using Nave.Protocol;

namespace Nave.Hub.Devices;

/// <summary>How many identities the registry takes; the service's limits unless an option lifts them.</summary>
internal sealed record RegistryLimits
{
    public int MaxIdentities { get; init; } = HubLimits.MaxIdentities;

    public int MaxModulesPerDevice { get; init; } = HubLimits.MaxModulesPerDevice;
}
