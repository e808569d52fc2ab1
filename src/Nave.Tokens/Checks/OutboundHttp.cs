using System.Net.Security;

namespace Nave.Tokens.Checks;

/// <summary>How the service asks others: TLS is verified, nothing is redirected, and no proxy or cookie of the surroundings plays a part.</summary>
public static class OutboundHttp
{
    private const int MostConnections = 64;

    private static readonly TimeSpan ConnectionLife = TimeSpan.FromMinutes(5);

    /// <summary>A client.</summary>
    /// <param name="tls">Whom to trust; its validation callback must not be set.</param>
    /// <exception cref="ArgumentException">It is.</exception>
    public static HttpClient Create(SslClientAuthenticationOptions tls) => tls.RemoteCertificateValidationCallback is not null
        ? throw new ArgumentException("A callback of its own could switch the verification off.", nameof(tls))
        : new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            PooledConnectionLifetime = ConnectionLife,
            MaxConnectionsPerServer = MostConnections,
            SslOptions = tls,
        });
}
