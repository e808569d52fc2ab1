using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Nave.Bench.Scenarios;

/// <summary>A self-signed ECDSA certificate for localhost, for peers that have none of their own.</summary>
internal sealed record PeerCertificate(string CertificateFile, string KeyFile)
{
    /// <summary>How a server of this program is told of it.</summary>
    public IReadOnlyList<string> ServerArguments => ["--certificate", CertificateFile, "--key", KeyFile];

    /// <summary>How the generator is told to check it.</summary>
    public IReadOnlyList<string> LoadArguments => ["--host", "localhost", "--tls", "--ca", CertificateFile];

    public static PeerCertificate Ensure(string directory)
    {
        var files = new PeerCertificate(Path.Combine(directory, "peer.pem"), Path.Combine(directory, "peer.key"));
        if (File.Exists(files.KeyFile))
        {
            return files;
        }

        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(30));
        File.WriteAllText(files.CertificateFile, certificate.ExportCertificatePem());
        File.WriteAllText(files.KeyFile, key.ExportPkcs8PrivateKeyPem());
        return files;
    }
}
