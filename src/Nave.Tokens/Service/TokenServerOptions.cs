using System.Net;
using System.Net.Security;
using Microsoft.Extensions.Logging;

namespace Nave.Tokens.Service;

/// <summary>Where the token service listens.</summary>
public sealed record TokenServerOptions
{
    /// <summary>Of the HTTPS port.</summary>
    public required IPAddress Address { get; init; }

    /// <summary>HTTPS; 0 takes a free one.</summary>
    public required int HttpsPort { get; init; }

    /// <summary>Metrics, plain, on loopback only; 0 takes a free one, null for none.</summary>
    public int? MetricsPort { get; init; }

    /// <summary>The certificate that handshakes show; asked for each.</summary>
    public required Func<SslStreamCertificateContext> Certificate { get; init; }

    /// <summary>Writes the metrics page.</summary>
    public required Func<string> MetricsPage { get; init; }

    /// <summary>Where the log goes.</summary>
    public required ILoggerProvider Log { get; init; }
}
