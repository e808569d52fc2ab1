namespace Nave.Bench.Linux;

/// <summary>Reads /proc/self/mountinfo (proc(5)).</summary>
internal static class MountTable
{
    private const int MountPointField = 4;

    /// <summary>The file system type of the innermost mount that holds the path.</summary>
    public static string FileSystemOf(string path, IEnumerable<string> mountInfo)
    {
        var best = (MountPoint: string.Empty, Type: "unknown");
        foreach (var line in mountInfo)
        {
            var fields = line.Split(' ');
            var separator = Array.IndexOf(fields, "-"); // Before it come any number of optional fields.
            if (separator < 0 || separator + 1 >= fields.Length)
            {
                continue;
            }

            var mountPoint = fields[MountPointField].Replace(@"\040", " ");
            // A later mount on the same point hides the earlier one.
            if (Holds(mountPoint, path) && mountPoint.Length >= best.MountPoint.Length)
            {
                best = (mountPoint, fields[separator + 1]);
            }
        }

        return best.Type;
    }

    private static bool Holds(string mountPoint, string path) =>
        mountPoint is "/" || path == mountPoint || path.StartsWith(mountPoint + "/", StringComparison.Ordinal);
}
