namespace Nave.Hub.Hosting.Certificates;

/// <summary>Where the hub's certificates come from.</summary>
internal sealed record CertificateSettings
{
    /// <summary>The directory of the hub's own authority: <c>DATA/certs</c>.</summary>
    public required string Directory { get; init; }

    /// <summary>Names and addresses that the certificate is for, the printed one first.</summary>
    public required IReadOnlyList<string> Names { get; init; }

    /// <summary><c>Tls:CertificateFile</c>: the operator's certificate with its chain, PEM; null for one of the hub's own authority.</summary>
    public string? CertificateFile { get; init; }

    /// <summary><c>Tls:KeyFile</c>: the key of <see cref="CertificateFile"/>, PEM.</summary>
    public string? KeyFile { get; init; }
}
