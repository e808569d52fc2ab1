using Nave.Hub.Hosting.Certificates;

namespace Nave.Bench.Scenarios;

/// <summary>
/// A certificate for peers that have none of their own, issued as a hub issues its own: what checking it costs the generator,
/// which shares the machine, is the same for all.
/// </summary>
internal sealed record PeerCertificate(string CertificateFile, string KeyFile, string AuthorityFile)
{
    private static readonly string[] Names = ["localhost", "127.0.0.1"];

    /// <summary>How a server of this program is told of it.</summary>
    public IReadOnlyList<string> ServerArguments => ["--certificate", CertificateFile, "--key", KeyFile];

    /// <summary>How the generator is told to check it.</summary>
    public IReadOnlyList<string> LoadArguments => ["--host", "localhost", "--tls", "--ca", AuthorityFile];

    public static PeerCertificate Ensure(string directory)
    {
        var files = new CertificateFiles(Path.Combine(directory, "peer"));
        if (!File.Exists(files.ServerKeyFile))
        {
            var now = TimeProvider.System.GetUtcNow();
            using var authority = OwnAuthority.Open(files, Names, now);
            using var certificate = authority.IssueServer(Names, now);
            files.WritePair(files.ServerFile, files.ServerKeyFile, certificate);

            // Some peers give up their rights before they read it; it is worth nothing outside of this run.
            File.SetUnixFileMode(files.ServerKeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        }

        return new PeerCertificate(files.ServerFile, files.ServerKeyFile, files.AuthorityFile);
    }
}
