using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Nave.Cli.Hubs;

/// <summary>Whom a client trusts: one authority from a file and nobody else, or the system's.</summary>
internal static class Trust
{
    /// <summary>Rules for a TLS client; null leaves the system's in place.</summary>
    /// <exception cref="CommandFailedException">The file cannot be read.</exception>
    public static X509ChainPolicy? PolicyOf(string? caFile)
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
        try
        {
            policy.CustomTrustStore.ImportFromPemFile(caFile);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new CommandFailedException($"The authority's certificate {caFile} cannot be read: {e.Message}");
        }

        return policy;
    }

    /// <summary>Options of a TLS client that speaks to that host.</summary>
    public static SslClientAuthenticationOptions ClientOptions(string host, string? caFile) => new()
    {
        TargetHost = host,
        CertificateChainPolicy = PolicyOf(caFile),
    };
}
