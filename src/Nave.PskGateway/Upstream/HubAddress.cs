using System.Security.Cryptography.X509Certificates;

namespace Nave.PskGateway.Upstream;

/// <summary>Where the hub is, and whom to trust for it.</summary>
/// <param name="HostName">The hub's name without port: in tokens, in OPEN and in its certificate.</param>
/// <param name="ConnectTo">The host to connect to; as a rule the same.</param>
/// <param name="Port">AMQP over TLS; the service's is 5671 (spec/device-amqp.md 1).</param>
/// <param name="Trust">One authority and nobody else; null for those of the system.</param>
internal sealed record HubAddress(string HostName, string ConnectTo, int Port, X509ChainPolicy? Trust)
{
    /// <summary>Trusts the authorities in a PEM file.</summary>
    /// <exception cref="System.Security.Cryptography.CryptographicException">It holds no certificate.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It cannot be read.</exception>
    public static X509ChainPolicy? TrustOf(string? caFile)
    {
        if (caFile is null)
        {
            return null;
        }

        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        policy.CustomTrustStore.ImportFromPemFile(caFile);
        return policy;
    }
}
