using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Nave.Hub.Hosting.Certificates;

/// <summary>
/// The hub's own certificate authority: made once, for ten years and for the hub's names only, and never replaced, since
/// clients have its certificate in their hands (design.md 3).
/// </summary>
internal sealed class OwnAuthority : IDisposable
{
    /// <summary>How long a server certificate lasts.</summary>
    public static readonly TimeSpan ServerLifetime = TimeSpan.FromDays(365);

    private const int AuthorityYears = 10;
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    // Devices' clocks may be late.
    private static readonly TimeSpan Backdated = TimeSpan.FromDays(1);

    private readonly X509Certificate2 _certificate;

    private OwnAuthority(X509Certificate2 certificate)
    {
        _certificate = certificate;
        Constraints = NameConstraints.Of(certificate);
    }

    /// <summary>What it may sign for; null for anything.</summary>
    public NameConstraints? Constraints { get; }

    /// <summary>When it ends.</summary>
    public DateTimeOffset NotAfter => _certificate.NotAfter;

    /// <summary>The one in the files, or a new one if there is none.</summary>
    /// <exception cref="StartFailureException">There is one, but it cannot be used.</exception>
    public static OwnAuthority Open(CertificateFiles files, IReadOnlyList<string> names, DateTimeOffset now)
    {
        if (!File.Exists(files.AuthorityFile))
        {
            // A key alone is what a crash in the first start leaves: nobody has seen its certificate.
            using var created = Create(names, now);
            files.WritePair(files.AuthorityFile, files.AuthorityKeyFile, created);
        }

        return CertificateFiles.ReadPair(files.AuthorityFile, files.AuthorityKeyFile) is { } certificate
            ? new OwnAuthority(certificate)
            : throw new StartFailureException(
                $"{files.AuthorityFile} has no key that fits it in {files.AuthorityKeyFile}. Clients trust that certificate, so it is "
                + "not replaced. Restore the key from a backup, or delete both files and give the new ca.pem to every client.");
    }

    /// <summary>Signs a certificate with a new key for the names.</summary>
    public X509Certificate2 IssueServer(IReadOnlyList<string> names, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

        // The common name is no host name: it would be held against the name constraints.
        var request = new CertificateRequest("CN=Nave hub", key, HashAlgorithmName.SHA256);
        var alternatives = new SubjectAlternativeNameBuilder();
        foreach (var name in names)
        {
            if (IPAddress.TryParse(name, out var address))
            {
                alternatives.AddIpAddress(address);
            }
            else
            {
                alternatives.AddDnsName(name);
            }
        }

        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(ServerAuthentication)], false));
        request.CertificateExtensions.Add(alternatives.Build());
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(_certificate, true, false));
        var serial = RandomNumberGenerator.GetBytes(16);
        serial[0] &= 0x7f; // Positive.
        DateTimeOffset begin = _certificate.NotBefore;
        var start = now - Backdated;
        var end = now + ServerLifetime;
        using var issued = request.Create(_certificate, start > begin ? start : begin, end < NotAfter ? end : NotAfter, serial);
        return issued.CopyWithPrivateKey(key);
    }

    /// <summary>Whether the certificate is one of this authority's.</summary>
    public bool HasIssued(X509Certificate2 certificate)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(_certificate);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationFlags = X509VerificationFlags.IgnoreNotTimeValid;
        return chain.Build(certificate);
    }

    /// <inheritdoc/>
    public void Dispose() => _certificate.Dispose();

    private static X509Certificate2 Create(IReadOnlyList<string> names, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

        // Two hubs of one name have two subjects: a client that trusts both must not confuse them.
        var mark = Convert.ToHexString(SHA256.HashData(key.ExportSubjectPublicKeyInfo()).AsSpan(0, 4)).ToLowerInvariant();
        var subject = new X500DistinguishedNameBuilder();
        subject.AddCommonName($"Nave {(names[0].Length <= 40 ? names[0] : names[0][..40])} {mark}");
        var request = new CertificateRequest(subject.Build(), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, true, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        request.CertificateExtensions.Add(NameConstraints.For(names).ToExtension());
        return request.CreateSelfSigned(now - Backdated, now.AddYears(AuthorityYears));
    }
}
