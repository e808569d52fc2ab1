namespace Nave.Storage.Keys;

/// <summary>
/// Where a file with master keys may lie: not beside what it protects, and readable by its owner only. Whoever copies the
/// database then does not copy the key with it.
/// </summary>
public static class KeyFileRules
{
    private const UnixFileMode Others =
        UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    /// <summary>What is wrong with the file, with the way out; null when nothing is. A file that does not exist yet is judged by its place.</summary>
    /// <param name="keyFile">The file with the keys.</param>
    /// <param name="protects">The file of the database that they protect; null when that is on another machine.</param>
    public static string? ProblemOf(string keyFile, string? protects)
    {
        var full = Path.GetFullPath(keyFile);
        if (protects is not null && Path.GetDirectoryName(Path.GetFullPath(protects)) == Path.GetDirectoryName(full))
        {
            return $"The key file {full} lies beside {Path.GetFileName(protects)}, which it protects: keep it in a folder of its own.";
        }

        if (OperatingSystem.IsWindows() || !File.Exists(full))
        {
            return null;
        }

        var mode = File.GetUnixFileMode(full);
        return (mode & Others) == 0 ? null : $"The key file {full} can be read or changed by others than its owner: chmod 600 {full}";
    }
}
