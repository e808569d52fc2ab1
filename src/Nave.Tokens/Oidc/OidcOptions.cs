namespace Nave.Tokens.Oidc;

/// <summary>Whose bearer tokens are accepted, and which device they stand for.</summary>
public sealed record OidcOptions
{
    /// <summary>What <c>iss</c> must be, exactly.</summary>
    public required string Issuer { get; init; }

    /// <summary>What <c>aud</c> must name.</summary>
    public required string Audience { get; init; }

    /// <summary>The issuer's keys.</summary>
    public required Uri JwksUrl { get; init; }

    /// <summary>How claims make a device id.</summary>
    public required DeviceTemplate Device { get; init; }
}
