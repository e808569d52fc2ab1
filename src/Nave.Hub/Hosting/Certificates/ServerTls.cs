using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Http.Features;
using Nave.Hub.Access;

namespace Nave.Hub.Hosting.Certificates;

/// <summary>
/// How the hub's ports shake hands (spec/security.md 6.1): TLS 1.2 and 1.3, a client certificate is asked for, never
/// required, and any is taken; access judges it later, since clients take a TLS alert for a broken line and try for ever.
/// Whatever server name the client sends, it gets the one certificate.
/// </summary>
internal sealed class ServerTls(ServerCertificates certificates)
{
    /// <summary>
    /// The options of one handshake. If the client sends a certificate, <see cref="ClientCertificateFeature"/> is set in
    /// <paramref name="connection"/>.
    /// </summary>
    /// <param name="connection">The connection's features (<c>TlsHandshakeCallbackContext.Connection.Features</c>).</param>
    /// <param name="protocols">For ALPN, on the port that speaks HTTP; null elsewhere: a client's offer is then ignored.</param>
    public SslServerAuthenticationOptions CreateOptions(IFeatureCollection connection, List<SslApplicationProtocol>? protocols = null) => new()
    {
        ServerCertificateContext = certificates.Current,
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        ApplicationProtocols = protocols,
        ClientCertificateRequired = true, // Asks; the callback decides what is required.
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        CertificateChainPolicy = OfflinePolicy(),
        RemoteCertificateValidationCallback = (_, certificate, chain, _) => Take(connection, certificate, chain),
        AllowRenegotiation = false,

        // A resumed session knows the client's certificate; the intermediates that came with it are remembered by
        // CertificateAuthorities. Without resumption SslStream makes an OpenSSL context anew for each handshake.
        AllowTlsResume = true,
    };

    // SslStream builds a chain before it asks us: it must fetch nothing that a stranger's certificate names.
    private static X509ChainPolicy OfflinePolicy() => new()
    {
        DisableCertificateDownloads = true,
        RevocationMode = X509RevocationMode.NoCheck,
        TrustMode = X509ChainTrustMode.CustomRootTrust,
    };

    private static bool Take(IFeatureCollection connection, X509Certificate? certificate, X509Chain? chain)
    {
        if (certificate is not null)
        {
            // Copies: SslStream disposes of its own.
            connection.Set(new ClientCertificateFeature(
                X509CertificateLoader.LoadCertificate(certificate.GetRawCertData()),
                [.. (chain?.ChainPolicy.ExtraStore ?? []).Take(CertificateAuthorities.MaxChain).Select(other => X509CertificateLoader.LoadCertificate(other.RawData))]));
        }

        return true;
    }
}

/// <summary>What a TLS client sent of itself. A feature of the connection, and so of the HTTP requests on it.</summary>
/// <param name="Certificate">Its own certificate.</param>
/// <param name="Others">The other certificates that it sent, at most <see cref="CertificateAuthorities.MaxChain"/>.</param>
internal sealed record ClientCertificateFeature(X509Certificate2 Certificate, X509Certificate2Collection Others);
