namespace Nave.Protocol.Access;

/// <summary>What a shared access policy permits (spec/security.md 4).</summary>
[Flags]
public enum AccessRights
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Read identities, statistics and import or export jobs.</summary>
    RegistryRead = 1,

    /// <summary>Create, change and delete identities; implies <see cref="RegistryRead"/>.</summary>
    RegistryWrite = 2,

    /// <summary>Twins, methods, queries, jobs, sending commands, reading events and feedback.</summary>
    ServiceConnect = 4,

    /// <summary>Act as a device.</summary>
    DeviceConnect = 8,
}
