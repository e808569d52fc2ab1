using System.Net.Security;
using Microsoft.Extensions.Logging;

namespace Nave.Hub.Hosting.Certificates;

/// <summary>
/// The server certificate of another role of the program (token service, gateway), made, read and renewed as the hub's is:
/// of an authority of its own below the role's data directory, or the operator's.
/// </summary>
public sealed class RoleCertificates : IDisposable
{
    private readonly ServerCertificates _certificates;

    private RoleCertificates(ServerCertificates certificates) => _certificates = certificates;

    /// <summary>What handshakes show; ask for each.</summary>
    public SslStreamCertificateContext Current => _certificates.Current;

    /// <summary>What clients must trust; null with the operator's certificate.</summary>
    public string? AuthorityFile => _certificates.AuthorityFile;

    /// <summary>Opens or makes the certificates.</summary>
    /// <param name="directory">Of the role's own authority.</param>
    /// <param name="names">Names and addresses that clients use, the printed one first.</param>
    /// <param name="certificateFile">The operator's certificate with its chain, PEM; null for one of our own authority.</param>
    /// <param name="keyFile">Its key, PEM.</param>
    /// <param name="time">The wall clock.</param>
    /// <param name="log">Where the log goes.</param>
    /// <exception cref="StartFailureException">It cannot; the message says what to mend.</exception>
    public static RoleCertificates Open(
        string directory, IReadOnlyList<string> names, string? certificateFile, string? keyFile, TimeProvider time, ILoggerFactory log) => new(
        ServerCertificates.Open(
            new CertificateSettings { Directory = directory, Names = names, CertificateFile = certificateFile, KeyFile = keyFile },
            time, log.CreateLogger<ServerCertificates>()));

    /// <inheritdoc/>
    public void Dispose() => _certificates.Dispose();
}
