using Nave.Hub.Devices;
using Nave.Protocol.Errors;

namespace Nave.Hub.Access;

/// <summary>What of an identity decides access, whatever the credential (spec/security.md 6.4).</summary>
internal static class IdentityRules
{
    /// <summary>Refuses a disabled identity; a module has its device's status.</summary>
    public static HubFailure? CheckEnabled(DeviceIdentity identity) =>
        identity.IsEnabled ? null : HubFailures.DeviceDisabled.Because($"'{identity.Id}' is disabled");

    /// <summary>Why a grant of an identity no longer stands, judged by the identity as it is now.</summary>
    public static CloseReason? FindRevocation(AccessGrant grant, DeviceIdentity? identity) =>
        identity is null || identity.GenerationId != grant.GenerationId ? CloseReason.IdentityDeleted
        : !identity.IsEnabled ? CloseReason.IdentityDisabled
        : IsProven(grant, identity.Authentication) ? null
        : CloseReason.CredentialRevoked;

    /// <summary>Whether a change of an identity can concern a connection.</summary>
    public static bool DecidesAccess(DeviceIdentity? before, DeviceIdentity? after) =>
        before is not null
        && (after is null
            || before.GenerationId != after.GenerationId
            || before.IsEnabled != after.IsEnabled
            || before.Authentication != after.Authentication);

    // The authority behind a certificate and the policy behind a token are looked at elsewhere.
    private static bool IsProven(AccessGrant grant, IdentityAuthentication authentication) => grant.Kind switch
    {
        CredentialKind.DeviceKey or CredentialKind.ModuleKey => authentication.Type is AuthenticationType.Sas
            && (IsProof(grant, authentication.PrimaryKey) || IsProof(grant, authentication.SecondaryKey)),
        CredentialKind.Thumbprint => authentication.Type is AuthenticationType.SelfSigned
            && (IsProof(grant, authentication.PrimaryThumbprint) || IsProof(grant, authentication.SecondaryThumbprint)),
        CredentialKind.CertificateAuthority => authentication.Type is AuthenticationType.CertificateAuthority,
        _ => authentication.Type is not AuthenticationType.None,
    };

    private static bool IsProof(AccessGrant grant, string? secret) => secret is not null && TokenRules.Digest(secret) == grant.ProofDigest;
}
