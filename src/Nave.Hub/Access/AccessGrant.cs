using System.Net;
using Nave.Hub.Devices;
using Nave.Protocol.Access;
using Nave.Protocol.Identities;

namespace Nave.Hub.Access;

/// <summary>
/// What one accepted credential permits, until when, and by which secret: enough to know, when an identity, policy or
/// certificate authority changes, whether the credential still stands. Holds no secret, only a digest of the key used.
/// </summary>
internal sealed record AccessGrant
{
    /// <summary>The credential's kind: decides what is stamped on events (spec/security.md 9).</summary>
    public required CredentialKind Kind { get; init; }

    /// <summary>The identity that the grant stands for; null for a policy token used by a back end.</summary>
    public IdentityId? Identity { get; init; }

    /// <summary>The generation of <see cref="Identity"/> when it was admitted; digits, empty without an identity.</summary>
    public string GenerationId { get; init; } = "";

    /// <summary>The policy whose key signed the token; null for credentials of an identity.</summary>
    public string? PolicyName { get; init; }

    /// <summary>Which key proved it, in words for an operator: "the primary key".</summary>
    public string? KeyName { get; init; }

    /// <summary>The policy's rights, or <see cref="AccessRights.DeviceConnect"/> for an identity's own credential.</summary>
    public required AccessRights Rights { get; init; }

    /// <summary>The resource that the token was scoped to, decoded once, without scheme and port: <c>{host}[/path]</c>.</summary>
    public string Scope { get; init; } = "";

    /// <summary>When the credential ends, clock skew included; <see cref="DateTimeOffset.MaxValue"/> for certificates.</summary>
    public DateTimeOffset ExpiresAt { get; init; } = DateTimeOffset.MaxValue;

    /// <summary>The address that it was given to, where the policy is narrowed to some; null otherwise.</summary>
    public IPAddress? Peer { get; init; }

    /// <summary>
    /// <see cref="IIdentitySource.StampOf"/> before <see cref="Identity"/> was read and judged: while it is the same, so is the
    /// identity. 0 where it was not noted.
    /// </summary>
    public long JudgedAt { get; init; }

    /// <summary>SHA-256 of the key, thumbprint or authority that proved the credential; compared on changes.</summary>
    public required string ProofDigest { get; init; }

    /// <summary>What is stamped as <c>iothub-connection-auth-method</c>.</summary>
    public string AuthMethod => Kind switch
    {
        CredentialKind.DeviceKey => """{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}""",
        CredentialKind.ModuleKey => """{"scope":"module","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}""",
        CredentialKind.Policy => """{"scope":"hub","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}""",
        CredentialKind.Thumbprint => """{"scope":"device","type":"x509Certificate","issuer":"external","acceptingIpFilterRule":null}""",
        _ => """{"scope":"device","type":"x509CertificateAuthority","issuer":"external","acceptingIpFilterRule":null}""",
    };
}

/// <summary>Kinds of credentials (spec/security.md 1).</summary>
internal enum CredentialKind
{
    DeviceKey,
    ModuleKey,
    Policy,
    Thumbprint,
    CertificateAuthority,
}

/// <summary>Something alive that stands on a grant: a session, an AMQP link, a reader.</summary>
internal interface ILiveAccess
{
    /// <summary>What it stands on now; a renewed token replaces it.</summary>
    AccessGrant Grant { get; }

    /// <summary>The grant no longer stands. Must return at once; called at most once per watch.</summary>
    void Revoke(CloseReason reason);
}
