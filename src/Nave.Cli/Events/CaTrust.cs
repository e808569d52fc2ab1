using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace Nave.Cli.Events;

/// <summary>For clients that can only be given a callback: the chain is built once more, with one authority as its root.</summary>
internal static class CaTrust
{
    /// <summary>Whether the certificate is for the host that was meant, and of the trusted authority.</summary>
    public static bool Accepts(X509ChainPolicy policy, X509Certificate? certificate, SslPolicyErrors errors)
    {
        // A wrong name is never forgiven; a chain that the system does not know is looked at again.
        if (certificate is null || (errors & ~SslPolicyErrors.RemoteCertificateChainErrors) != SslPolicyErrors.None)
        {
            return false;
        }

        using var leaf = X509CertificateLoader.LoadCertificate(certificate.GetRawCertData());
        using var chain = new X509Chain { ChainPolicy = policy.Clone() };
        return chain.Build(leaf);
    }
}
