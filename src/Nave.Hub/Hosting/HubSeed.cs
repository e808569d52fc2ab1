namespace Nave.Hub.Hosting;

/// <summary>
/// What is created at the start if it is absent, from the configuration file's section <c>Seed</c>, so that a test
/// environment is the same every time. Existing entries are changed only with <see cref="Overwrite"/>.
/// </summary>
public sealed record HubSeed
{
    /// <summary>Whether existing policies and devices get the keys and rights written here.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Shared access policies.</summary>
    public IReadOnlyList<SeedPolicy> Policies { get; init; } = [];

    /// <summary>Devices with their modules.</summary>
    public IReadOnlyList<SeedDevice> Devices { get; init; } = [];

    /// <summary>Consumer groups of the events endpoint.</summary>
    public IReadOnlyList<string> ConsumerGroups { get; init; } = [];

    /// <summary>Whether nothing is asked for.</summary>
    public bool IsEmpty => Policies.Count + Devices.Count + ConsumerGroups.Count == 0;
}

/// <summary>One policy to seed. A key that is null is generated.</summary>
public sealed record SeedPolicy(string Name, string? Rights, string? PrimaryKey, string? SecondaryKey);

/// <summary>One device to seed. Without keys or thumbprints it gets generated keys.</summary>
public sealed record SeedDevice(string DeviceId)
{
    /// <summary>Base64; null to generate.</summary>
    public string? PrimaryKey { get; init; }

    /// <inheritdoc cref="PrimaryKey"/>
    public string? SecondaryKey { get; init; }

    /// <summary>Hex; makes it a self-signed identity.</summary>
    public string? PrimaryThumbprint { get; init; }

    /// <inheritdoc cref="PrimaryThumbprint"/>
    public string? SecondaryThumbprint { get; init; }

    /// <summary>Whether it is authenticated by a certificate of a verified authority.</summary>
    public bool CertificateAuthority { get; init; }

    /// <summary>Whether it may connect.</summary>
    public bool IsEnabled { get; init; } = true;

    /// <summary>Its modules.</summary>
    public IReadOnlyList<SeedModule> Modules { get; init; } = [];
}

/// <summary>One module to seed.</summary>
public sealed record SeedModule(string ModuleId, string? PrimaryKey, string? SecondaryKey);
