namespace Nave.Tokens.Checks;

/// <summary>What a device shows of the custom identity system: a name and its secret, or a bearer token. Never prints the secret.</summary>
public sealed class PresentedCredential
{
    /// <summary>Longest name in the custom identity system, in characters.</summary>
    public const int MaxIdentityLength = 256;

    /// <summary>Longest secret, in characters; hashing a longer one would be work for nothing.</summary>
    public const int MaxSecretLength = 512;

    /// <summary>Longest bearer token, in characters.</summary>
    public const int MaxBearerLength = 8192;

    private PresentedCredential(string? identity, string? secret, string? bearer)
    {
        Identity = identity;
        Secret = secret;
        Bearer = bearer;
    }

    /// <summary>The name in the custom identity system; null with a bearer token, which names itself.</summary>
    public string? Identity { get; }

    /// <summary>The secret that belongs to the name.</summary>
    public string? Secret { get; }

    /// <summary>A JWT.</summary>
    public string? Bearer { get; }

    /// <summary>A name with its secret.</summary>
    public static PresentedCredential OfSecret(string identity, string secret) => new(identity, secret, null);

    /// <summary>A bearer token.</summary>
    public static PresentedCredential OfBearer(string token) => new(null, null, token);

    /// <inheritdoc/>
    public override string ToString() => Identity is null ? "a bearer token" : $"the secret of '{Identity}'";
}
