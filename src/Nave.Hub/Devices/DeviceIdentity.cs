using Nave.Protocol.Identities;

namespace Nave.Hub.Devices;

/// <summary>
/// One entry of the identity registry, device or module (spec/service-rest.md 4 and 5). An immutable snapshot: a change
/// is a new instance with another <see cref="ETag"/>. Keys are in clear here and wrapped in the store.
/// </summary>
internal sealed record DeviceIdentity
{
    public required IdentityId Id { get; init; }

    /// <summary>Decimal digits; new on every create, so that it tells a re-created identity from its predecessor.</summary>
    public required string GenerationId { get; init; }

    /// <summary>Opaque, unquoted; new on every identity write.</summary>
    public required string ETag { get; init; }

    /// <summary>Of a module: that of its device, joined when read.</summary>
    public bool IsEnabled { get; init; } = true;

    public string? StatusReason { get; init; }

    public DateTimeOffset? StatusUpdatedTime { get; init; }

    public required IdentityAuthentication Authentication { get; init; }

    public bool IsEdge { get; init; }

    public string? DeviceScope { get; init; }

    public IReadOnlyList<string> ParentScopes { get; init; } = [];

    /// <summary>Modules only: <c>IotEdge</c> or null.</summary>
    public string? ManagedBy { get; init; }
}

/// <summary>How an identity proves itself: exactly one type at a time (spec/security.md 6.4).</summary>
internal sealed record IdentityAuthentication(AuthenticationType Type)
{
    /// <summary>Base64, 16 to 64 bytes decoded; only with <see cref="AuthenticationType.Sas"/>.</summary>
    public string? PrimaryKey { get; init; }

    /// <inheritdoc cref="PrimaryKey"/>
    public string? SecondaryKey { get; init; }

    /// <summary>40 or 64 upper-case hex digits; only with <see cref="AuthenticationType.SelfSigned"/>.</summary>
    public string? PrimaryThumbprint { get; init; }

    /// <inheritdoc cref="PrimaryThumbprint"/>
    public string? SecondaryThumbprint { get; init; }
}

/// <summary>Kinds of authentication of an identity.</summary>
internal enum AuthenticationType
{
    Sas,
    SelfSigned,
    CertificateAuthority,
    None,
}
