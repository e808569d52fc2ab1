using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;

namespace Nave.Hub.Hosting.Certificates;

/// <summary>
/// The certificate that the hub's ports show: of its own authority, or from the operator's files. Looked at once a minute:
/// a new one is issued when 30 days are left or the names have changed, and files that changed are read again. Handshakes
/// take <see cref="Current"/> as it is; one under way keeps the one it began with.
/// </summary>
internal sealed partial class ServerCertificates : IDisposable
{
    /// <summary>A certificate with less than this to go is replaced.</summary>
    public static readonly TimeSpan RenewBefore = TimeSpan.FromDays(30);

    private static readonly TimeSpan Pace = TimeSpan.FromMinutes(1);

    private readonly CertificateSettings _settings;
    private readonly CertificateFiles _files;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ITimer _timer;
    private readonly Lock _gate = new();
    private SslStreamCertificateContext _current;
    private IReadOnlyList<string> _names;
    private (DateTime Certificate, DateTime Key) _written;

    private ServerCertificates(CertificateSettings settings, TimeProvider time, ILogger logger)
    {
        _settings = settings;
        _files = new CertificateFiles(settings.Directory);
        _time = time;
        _logger = logger;
        _names = WithThisMachine(settings.Names);
        _current = settings.CertificateFile is null ? ReadOrIssue() : ReadOperators();
        _timer = time.CreateTimer(_ => Look(), null, Pace, Pace);
    }

    /// <summary>What handshakes show: the certificate and its chain without the root.</summary>
    public SslStreamCertificateContext Current => Volatile.Read(ref _current);

    /// <summary>What clients must trust; null when the operator's certificate is of an authority that only he knows.</summary>
    public string? AuthorityFile => _settings.CertificateFile is null ? Path.GetFullPath(_files.AuthorityFile) : null;

    /// <summary>Opens or makes the certificates.</summary>
    /// <exception cref="StartFailureException">It cannot; the message says what to mend.</exception>
    public static ServerCertificates Open(CertificateSettings settings, TimeProvider time, ILogger<ServerCertificates> logger) =>
        new(settings, time, logger);

    /// <summary>The hub has other names now.</summary>
    public void UseNames(IReadOnlyList<string> names)
    {
        _names = WithThisMachine(names);
        Look();
    }

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    /// <summary>One look; never throws: the certificate in use is better than none.</summary>
    internal void Look()
    {
        try
        {
            lock (_gate)
            {
                if (_settings.CertificateFile is null)
                {
                    RenewIfNeeded();
                }
                else if (TimesWritten() is var written && written != _written)
                {
                    Volatile.Write(ref _current, ReadOperators());
                    Log.Reread(_logger, _settings.CertificateFile, Current.TargetCertificate.NotAfter.ToUniversalTime());
                }
            }
        }
        catch (Exception e) when (e is StartFailureException or CryptographicException or IOException or UnauthorizedAccessException)
        {
            Log.NotRenewed(_logger, Current.TargetCertificate.NotAfter.ToUniversalTime(), e.Message);
        }
    }

    private SslStreamCertificateContext ReadOrIssue()
    {
        try
        {
            using var authority = OwnAuthority.Open(_files, _names, _time.GetUtcNow());
            var names = Permitted(authority);
            var stored = CertificateFiles.ReadPair(_files.ServerFile, _files.ServerKeyFile);
            return stored is not null && IsFit(stored, names) && authority.HasIssued(stored) ? ContextOf(stored, []) : Issue(authority, names);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartFailureException($"The certificates in {_settings.Directory} cannot be read or written: {e.Message}", e);
        }
    }

    private void RenewIfNeeded()
    {
        if (IsLate(Current.TargetCertificate) || !HasNames(Current.TargetCertificate, _names))
        {
            using var authority = OwnAuthority.Open(_files, _names, _time.GetUtcNow());
            var names = Permitted(authority);
            if (!IsFit(Current.TargetCertificate, names))
            {
                Volatile.Write(ref _current, Issue(authority, names));
            }
        }
    }

    private SslStreamCertificateContext Issue(OwnAuthority authority, IReadOnlyList<string> names)
    {
        using var issued = authority.IssueServer(names, _time.GetUtcNow());
        _files.WritePair(_files.ServerFile, _files.ServerKeyFile, issued);
        Log.Issued(_logger, string.Join(", ", names), issued.NotAfter.ToUniversalTime());
        if (authority.NotAfter - _time.GetUtcNow() < OwnAuthority.ServerLifetime)
        {
            Log.AuthorityEnds(_logger, _files.AuthorityFile, authority.NotAfter);
        }

        // Read back, so that what is shown is what is stored.
        return ContextOf(X509Certificate2.CreateFromPemFile(_files.ServerFile, _files.ServerKeyFile), []);
    }

    // The first name is in connection strings: without it the hub is of no use. Another that the authority may not sign
    // for, such as a container's new machine name, is left out and said.
    private List<string> Permitted(OwnAuthority authority)
    {
        var foreign = _names.Where(name => authority.Constraints?.Permit(name) == false).ToList();
        if (foreign.Contains(_names[0]))
        {
            throw new StartFailureException(
                $"The authority in {_files.AuthorityFile} may not sign for the host name '{_names[0]}'. Use one of its names, or delete "
                + $"{_files.AuthorityFile} and {_files.AuthorityKeyFile} and give the new ca.pem to every client, or bring a certificate of your own (Tls:CertificateFile).");
        }

        if (foreign.Count > 0)
        {
            Log.NamesLeftOut(_logger, string.Join(", ", foreign), _files.AuthorityFile);
        }

        return [.. _names.Except(foreign)];
    }

    private SslStreamCertificateContext ReadOperators()
    {
        var (certificateFile, keyFile) = (_settings.CertificateFile!, _settings.KeyFile ?? _settings.CertificateFile!);
        try
        {
            _written = TimesWritten();
            var all = new X509Certificate2Collection();
            all.ImportFromPemFile(certificateFile);
            var certificate = X509Certificate2.CreateFromPemFile(certificateFile, keyFile);
            if (certificate.NotAfter < _time.GetUtcNow())
            {
                Log.OperatorsEnded(_logger, certificateFile, certificate.NotAfter.ToUniversalTime());
            }

            return ContextOf(certificate, [.. all.Skip(1).Where(other => other.Subject != other.Issuer)]);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException or IOException or UnauthorizedAccessException)
        {
            throw new StartFailureException(
                $"Tls:CertificateFile {certificateFile} and Tls:KeyFile {keyFile} are not a certificate (its own first, then its chain) "
                + $"and the key of it in PEM form: {e.Message}", e);
        }
    }

    private (DateTime Certificate, DateTime Key) TimesWritten() => (
        File.GetLastWriteTimeUtc(_settings.CertificateFile!),
        File.GetLastWriteTimeUtc(_settings.KeyFile ?? _settings.CertificateFile!));

    // The operator port is on loopback whatever the hub is called. Addresses in the form that certificates are read in.
    private static IReadOnlyList<string> WithThisMachine(IReadOnlyList<string> names) =>
        [.. names.Concat(["localhost", "127.0.0.1", "::1"])
            .Select(name => IPAddress.TryParse(name, out var address) ? address.ToString() : name)
            .Distinct(StringComparer.OrdinalIgnoreCase)];

    // Offline: building the chain must not fetch issuers from the network.
    private static SslStreamCertificateContext ContextOf(X509Certificate2 certificate, X509Certificate2Collection chain) =>
        SslStreamCertificateContext.Create(certificate, chain, offline: true);

    private bool IsFit(X509Certificate2 certificate, IReadOnlyList<string> names) => !IsLate(certificate) && HasNames(certificate, names);

    private bool IsLate(X509Certificate2 certificate) => certificate.NotAfter - _time.GetUtcNow() <= RenewBefore;

    private static bool HasNames(X509Certificate2 certificate, IReadOnlyList<string> names)
    {
        var alternatives = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault();
        var present = alternatives is null ? [] : alternatives.EnumerateDnsNames()
            .Concat(alternatives.EnumerateIPAddresses().Select(address => address.ToString()))
            .ToHashSet(StringComparer.OrdinalIgnoreCase);
        return present.SetEquals(names);
    }

    private static partial class Log
    {
        [LoggerMessage(1550, LogLevel.Information, "A server certificate was issued for {Names}, valid until {NotAfter}")]
        public static partial void Issued(ILogger logger, string names, DateTime notAfter);

        [LoggerMessage(1551, LogLevel.Warning, "The server certificate, valid until {NotAfter}, could not be renewed; the hub goes on with it: {Problem}")]
        public static partial void NotRenewed(ILogger logger, DateTime notAfter, string problem);

        [LoggerMessage(1552, LogLevel.Warning, "The server certificate is not for {Names}: the authority in {AuthorityFile} may not sign for them")]
        public static partial void NamesLeftOut(ILogger logger, string names, string authorityFile);

        [LoggerMessage(1553, LogLevel.Warning, "The hub's authority in {AuthorityFile} ends at {NotAfter}: plan to give every client a new one")]
        public static partial void AuthorityEnds(ILogger logger, string authorityFile, DateTimeOffset notAfter);

        [LoggerMessage(1554, LogLevel.Information, "The server certificate was read again from {File}, valid until {NotAfter}")]
        public static partial void Reread(ILogger logger, string file, DateTime notAfter);

        [LoggerMessage(1555, LogLevel.Warning, "The server certificate in {File} ended at {NotAfter}")]
        public static partial void OperatorsEnded(ILogger logger, string file, DateTime notAfter);
    }
}
