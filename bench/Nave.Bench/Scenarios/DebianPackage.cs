namespace Nave.Bench.Scenarios;

/// <summary>Finds a program, or installs the Debian package that brings it when that was asked for.</summary>
internal static class DebianPackage
{
    private static readonly string[] MorePlaces = ["/usr/sbin", "/usr/local/sbin", "/sbin"]; // Not in everybody's PATH.

    public static async Task<string> FindProgramAsync(
        string program, string package, bool mayInstall, CancellationToken stopping)
    {
        if (Find(program) is { } found)
        {
            return found;
        }

        if (!mayInstall)
        {
            throw new PeerUnavailableException(
                $"{program} is missing. Run again with --install (apt-get install -y {package}), or leave it out of --peers.");
        }

        await using var apt = ChildProcess.Start(
            "apt-get", ["install", "-y", "--no-install-recommends", package], new Dictionary<string, string> { ["DEBIAN_FRONTEND"] = "noninteractive" });
        await apt.Output.ReadToEndAsync(stopping);
        await apt.WaitForExitAsync(stopping);
        return Find(program) ?? throw new PeerUnavailableException(
            $"apt-get install -y {package} did not bring {program}: {apt.LastErrors}");
    }

    private static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(':')
            .Concat(MorePlaces)
            .Select(directory => Path.Combine(directory, program))
            .FirstOrDefault(File.Exists);
}
