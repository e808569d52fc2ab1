using System.Security.Cryptography;

namespace Nave.Hub.Access;

/// <summary>
/// A certificate authority whose devices may connect once somebody has proven to hold its key (spec/security.md 6.3).
/// An immutable snapshot.
/// </summary>
internal sealed record CertificateAuthority
{
    /// <summary>Compared without case.</summary>
    public required string Name { get; init; }

    /// <summary>The certificate, DER.</summary>
    public required ReadOnlyMemory<byte> Certificate { get; init; }

    /// <summary>Its subject, for people.</summary>
    public required string Subject { get; init; }

    /// <summary>When it ends.</summary>
    public required DateTimeOffset NotAfter { get; init; }

    /// <summary>Only a verified authority admits anybody.</summary>
    public bool IsVerified { get; init; }

    /// <summary>What the subject's common name of the proof must be; null when none was asked for.</summary>
    public string? VerificationCode { get; init; }

    /// <summary>Rises with each write; 1 when created.</summary>
    public long Version { get; init; } = 1;

    public DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset UpdatedAt { get; init; }

    /// <summary>SHA-256 of the certificate, hexadecimal: what a grant remembers of it.</summary>
    public string Digest => Convert.ToHexString(SHA256.HashData(Certificate.Span));

    /// <summary>The name.</summary>
    public override string ToString() => Name;
}
