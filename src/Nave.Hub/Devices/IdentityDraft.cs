using Nave.Protocol.Identities;

namespace Nave.Hub.Devices;

/// <summary>
/// What somebody asks an identity to be; null where nothing was said. <see cref="RegistryRules"/> makes an identity of it.
/// </summary>
internal sealed record IdentityDraft(IdentityId Id)
{
    public bool? IsEnabled { get; init; }

    public string? StatusReason { get; init; }

    public AuthenticationDraft? Authentication { get; init; }

    public bool? IsEdge { get; init; }

    public string? DeviceScope { get; init; }

    public IReadOnlyList<string>? ParentScopes { get; init; }

    /// <summary>Modules only.</summary>
    public string? ManagedBy { get; init; }
}

/// <summary>How the identity shall prove itself; an empty text is the same as none, as Node clients send it.</summary>
internal sealed record AuthenticationDraft
{
    /// <summary>The wire's word; inferred when absent (spec/service-rest.md 1.2, 2016 clients).</summary>
    public string? Type { get; init; }

    public string? PrimaryKey { get; init; }

    public string? SecondaryKey { get; init; }

    public string? PrimaryThumbprint { get; init; }

    public string? SecondaryThumbprint { get; init; }
}
