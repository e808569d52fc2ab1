using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Nave.Hub.Hosting.Certificates;

/// <summary>
/// The files of the hub's own authority in <c>DATA/certs</c>. Keys are readable by their owner only. Each file is replaced
/// whole; the key goes first, so that after a crash between the two the certificate is the older one, which is noticed.
/// </summary>
internal sealed class CertificateFiles(string directory)
{
    /// <summary>What clients trust.</summary>
    public string AuthorityFile => Path.Combine(directory, "ca.pem");

    /// <summary>The authority's key.</summary>
    public string AuthorityKeyFile => Path.Combine(directory, "ca-key.pem");

    /// <summary>The server's certificate.</summary>
    public string ServerFile => Path.Combine(directory, "server.pem");

    /// <summary>The server's key.</summary>
    public string ServerKeyFile => Path.Combine(directory, "server-key.pem");

    /// <summary>A certificate with its key; null when either is missing, unreadable, or they do not belong together.</summary>
    public static X509Certificate2? ReadPair(string certificateFile, string keyFile)
    {
        try
        {
            return File.Exists(certificateFile) && File.Exists(keyFile) ? X509Certificate2.CreateFromPemFile(certificateFile, keyFile) : null;
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            return null; // No certificate, no key, or the key of another certificate.
        }
    }

    /// <summary>Writes a certificate and its key.</summary>
    public void WritePair(string certificateFile, string keyFile, X509Certificate2 certificate)
    {
        using var key = certificate.GetECDsaPrivateKey() ?? throw new InvalidOperationException("Our certificates have ECDSA keys.");
        CreateDirectory();
        Replace(keyFile, key.ExportPkcs8PrivateKeyPem(), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Replace(
            certificateFile,
            certificate.ExportCertificatePem(),
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
    }

    private static void Replace(string path, string text, UnixFileMode mode)
    {
        var beside = path + ".new";
        File.Delete(beside);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = mode;
        }

        using (var file = new FileStream(beside, options))
        {
            file.Write(Encoding.ASCII.GetBytes(text + "\n"));
            file.Flush(flushToDisk: true);
        }

        File.Move(beside, path, overwrite: true);
    }

    // Readable by all: other programs of this machine look for ca.pem here. The keys are their owner's.
    private void CreateDirectory()
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(directory);
            return;
        }

        const UnixFileMode ForAll = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
            | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        Directory.CreateDirectory(directory, ForAll);
    }
}
