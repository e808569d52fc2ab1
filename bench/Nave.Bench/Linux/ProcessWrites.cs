using System.Globalization;

namespace Nave.Bench.Linux;

/// <summary>What this process has written so far, from /proc/self/io (proc(5)).</summary>
/// <param name="CallBytes">Handed to write calls.</param>
/// <param name="DiskBytes">Pages that these made dirty, and so go to the disk.</param>
internal readonly record struct ProcessWrites(long CallBytes, long DiskBytes)
{
    public static ProcessWrites ReadOwn() => Parse(File.ReadAllText("/proc/self/io"));

    /// <summary>Reads the lines <c>wchar</c> and <c>write_bytes</c>.</summary>
    public static ProcessWrites Parse(string text) => new(ValueOf(text, "wchar"), ValueOf(text, "write_bytes"));

    public static ProcessWrites operator -(ProcessWrites left, ProcessWrites right) =>
        new(left.CallBytes - right.CallBytes, left.DiskBytes - right.DiskBytes);

    private static long ValueOf(string text, string name)
    {
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            if (line.StartsWith(name) && line.Length > name.Length && line[name.Length] == ':')
            {
                return long.Parse(line[(name.Length + 1)..].Trim(), NumberStyles.None, CultureInfo.InvariantCulture);
            }
        }

        throw new FormatException($"there is no {name}");
    }
}
