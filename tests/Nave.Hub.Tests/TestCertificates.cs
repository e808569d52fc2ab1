using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Nave.Hub.Tests;

/// <summary>Certificates made on the spot.</summary>
internal static class TestCertificates
{
    public static readonly DateTimeOffset Begin = new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero);
    public static readonly DateTimeOffset End = new(2045, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private static int _serial;

    public static X509Certificate2 CreateSelfSigned(string commonName, DateTimeOffset? from = null, DateTimeOffset? to = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return Request(commonName, key).CreateSelfSigned(from ?? Begin, to ?? End);
    }

    public static X509Certificate2 CreateAuthority(string commonName, X509Certificate2? issuer = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = Request(commonName, key);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, false));
        return issuer is null ? request.CreateSelfSigned(Begin, End) : Sign(request, key, issuer, Begin, End);
    }

    public static X509Certificate2 Issue(
        string commonName, X509Certificate2 issuer, string? usage = null, DateTimeOffset? from = null, DateTimeOffset? to = null, string? host = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = Request(commonName, key);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, true));
        if (usage is not null)
        {
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], false));
        }

        if (host is not null)
        {
            var names = new SubjectAlternativeNameBuilder();
            names.AddDnsName(host);
            request.CertificateExtensions.Add(names.Build());
        }

        return Sign(request, key, issuer, from ?? Begin.AddYears(1), to ?? End.AddYears(-1));
    }

    public static Chain CreateClientChain(string commonName)
    {
        var root = CreateAuthority("test root");
        var intermediate = CreateAuthority("test intermediate", root);
        return new Chain(root, intermediate, Issue(commonName, intermediate));
    }

    public static Chain CreateServerChain(string host)
    {
        var root = CreateAuthority("test root");
        var intermediate = CreateAuthority("test intermediate", root);
        return new Chain(root, intermediate, Issue("server", intermediate, host: host));
    }

    private static CertificateRequest Request(string commonName, ECDsa key)
    {
        var subject = new X500DistinguishedNameBuilder();
        subject.AddCommonName(commonName);
        return new CertificateRequest(subject.Build(), key, HashAlgorithmName.SHA256);
    }

    private static X509Certificate2 Sign(CertificateRequest request, ECDsa key, X509Certificate2 issuer, DateTimeOffset from, DateTimeOffset to)
    {
        // Not with the issuer's certificate: that would refuse what tests want to see refused elsewhere.
        using var issuerKey = issuer.GetECDsaPrivateKey()!;
        var serial = BitConverter.GetBytes(Interlocked.Increment(ref _serial));
        using var signed = request.Create(issuer.SubjectName, X509SignatureGenerator.CreateForECDsa(issuerKey), from, to, serial);
        return signed.CopyWithPrivateKey(key);
    }

    /// <summary>A root, an intermediate and a leaf.</summary>
    internal sealed record Chain(X509Certificate2 Root, X509Certificate2 Intermediate, X509Certificate2 Leaf) : IDisposable
    {
        public string CertificatePem => string.Join('\n', new[] { Leaf, Intermediate, Root }.Select(part => part.ExportCertificatePem()));

        public string KeyPem => Leaf.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem();

        public (string CertificateFile, string KeyFile) Write(string folder)
        {
            var files = (Path.Combine(folder, "operator.pem"), Path.Combine(folder, "operator-key.pem"));
            File.WriteAllText(files.Item1, CertificatePem);
            File.WriteAllText(files.Item2, KeyPem);
            return files;
        }

        public void Dispose()
        {
            Root.Dispose();
            Intermediate.Dispose();
            Leaf.Dispose();
        }
    }
}
