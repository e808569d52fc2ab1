using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Nave.Hub.Devices;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Access;

/// <summary>What a TLS client certificate proves (spec/security.md 6). The handshake takes any; this judges.</summary>
internal sealed class CertificateRules(CertificateAuthorities authorities, AccessOptions options, TimeProvider time)
{
    private const string CommonName = "2.5.4.3";

    /// <summary>Judges a certificate by the identity that it is used for.</summary>
    public Outcome<AccessGrant> Judge(IdentityId id, DeviceIdentity? identity, X509Certificate2 leaf, X509Certificate2Collection? others)
    {
        if (identity is null)
        {
            return HubFailures.Unauthorized.Because($"there is no identity {OperatorText.Quote(id.ToString())}");
        }

        var judged = identity.Authentication.Type switch
        {
            AuthenticationType.SelfSigned => JudgeThumbprint(id, identity, leaf),
            AuthenticationType.CertificateAuthority => JudgeChain(id, identity, leaf, others),
            var type => HubFailures.Unauthorized.Because($"'{id}' authenticates by {type}, not by a certificate"),
        };
        return judged.Value is not null && IdentityRules.CheckEnabled(identity) is { } refusal ? refusal : judged;
    }

    /// <summary>The common name, if the subject has exactly one.</summary>
    public static string? CommonNameOf(X509Certificate2 certificate)
    {
        try
        {
            var names = certificate.SubjectName.EnumerateRelativeDistinguishedNames()
                .Where(name => !name.HasMultipleElements && name.GetSingleElementType().Value == CommonName)
                .Select(name => name.GetSingleElementValue())
                .ToList();
            return names.Count == 1 ? names[0] : null;
        }
        catch (CryptographicException)
        {
            return null; // A subject that is no name.
        }
    }

    // spec/security.md 6.2: only the thumbprint counts; chain, subject and issuer are not looked at.
    private Outcome<AccessGrant> JudgeThumbprint(IdentityId id, DeviceIdentity identity, X509Certificate2 leaf)
    {
        var sha1 = leaf.GetCertHashString(HashAlgorithmName.SHA1);
        var sha256 = leaf.GetCertHashString(HashAlgorithmName.SHA256);
        var authentication = identity.Authentication;
        var matched = new[] { authentication.PrimaryThumbprint, authentication.SecondaryThumbprint }.FirstOrDefault(
            stored => stored is not null && Thumbprint.Normalise(stored) is { } text && (text == sha1 || text == sha256));
        if (matched is null)
        {
            return HubFailures.Unauthorized.Because(
                $"thumbprint mismatch for '{id}': the certificate presented has SHA-1 {sha1} and SHA-256 {sha256}");
        }

        return !IsTimeValid(leaf) && !options.AllowExpiredCertificates
            ? HubFailures.Unauthorized.Because(
                $"the certificate of '{id}' is valid from {leaf.NotBefore.ToUniversalTime():u} to {leaf.NotAfter.ToUniversalTime():u} (Access:AllowExpiredCertificates)")
            : GrantOf(CredentialKind.Thumbprint, id, identity, TokenRules.Digest(matched));
    }

    // spec/security.md 6.3: the leaf names the identity to the letter, its chain ends at or passes a verified authority.
    private Outcome<AccessGrant> JudgeChain(IdentityId id, DeviceIdentity identity, X509Certificate2 leaf, X509Certificate2Collection? others)
    {
        var name = CommonNameOf(leaf);
        if (name != id.Device.Value && (!id.IsModule || name != id.ToString()))
        {
            return HubFailures.Unauthorized.Because(
                $"the certificate's common name is {OperatorText.Quote(name ?? "")}, expected '{id}'");
        }

        var authority = authorities.FindIssuer(leaf, others, out var problem);
        return authority is null
            ? HubFailures.Unauthorized.Because($"the certificate of '{id}' chains to no verified authority: {problem}")
            : GrantOf(CredentialKind.CertificateAuthority, id, identity, authority.Digest);
    }

    private bool IsTimeValid(X509Certificate2 certificate)
    {
        var now = time.GetUtcNow().UtcDateTime;
        return certificate.NotBefore.ToUniversalTime() <= now && now <= certificate.NotAfter.ToUniversalTime();
    }

    private static AccessGrant GrantOf(CredentialKind kind, IdentityId id, DeviceIdentity identity, string digest) => new()
    {
        Kind = kind,
        Identity = id,
        GenerationId = identity.GenerationId,
        Rights = AccessRights.DeviceConnect,
        ProofDigest = digest,
    };
}
