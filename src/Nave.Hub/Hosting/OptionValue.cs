using System.Globalization;
using System.Net;

namespace Nave.Hub.Hosting;

/// <summary>
/// How the values of options are written, for the table of any role. What is none throws <see cref="FormatException"/>,
/// which says how to write it.
/// </summary>
public static class OptionValue
{
    /// <summary>Names or addresses, separated by commas.</summary>
    public static List<string> Names(string text) =>
        [.. text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(HostName)];

    /// <summary>A host name or an IP address.</summary>
    public static string HostName(string text) =>
        IPAddress.TryParse(text, out _) || Uri.CheckHostName(text) is UriHostNameType.Dns
            ? text
            : throw new FormatException($"'{text}' is neither a host name nor an IP address");

    /// <summary>An IP address.</summary>
    public static IPAddress Address(string text) =>
        IPAddress.TryParse(text, out var address) ? address : throw new FormatException($"'{text}' is not an IP address");

    /// <summary>A port; 0 takes a free one.</summary>
    public static int Port(string text) => Number(text, 0, 65_535);

    /// <summary>A whole number between bounds.</summary>
    public static int Number(string text, int least, int most) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most
            ? value
            : throw new FormatException($"'{text}' is not a whole number from {least} to {most}");

    /// <summary>true or false.</summary>
    public static bool Flag(string text) =>
        bool.TryParse(text, out var value) ? value : throw new FormatException($"'{text}' is neither true nor false");

    /// <summary>A word of an enumeration.</summary>
    public static T Choice<T>(string text)
        where T : struct, Enum =>
        Enum.TryParse<T>(text, ignoreCase: true, out var value) && Enum.IsDefined(value) && !char.IsAsciiDigit(text[0])
            ? value
            : throw new FormatException($"'{text}' is none of {string.Join(", ", Enum.GetNames<T>()).ToLowerInvariant()}");

    /// <summary>Words of an enumeration, separated by commas.</summary>
    public static List<T> Choices<T>(string text)
        where T : struct, Enum =>
        [.. text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(Choice<T>).Distinct()];

    /// <summary>An http or https URL.</summary>
    public static string Url(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https"
            ? text
            : throw new FormatException($"'{text}' is not an http or https URL");

    /// <summary>A duration of at least so much.</summary>
    public static TimeSpan Duration(string text, TimeSpan least)
    {
        var value = OptionText.TryDuration(text) ?? throw new FormatException(
            $"'{text}' is not a duration: write 500ms, 30s, 5m, 12h, 1d or hh:mm:ss");
        return value >= least ? value : throw new FormatException($"'{text}' is less than {least}");
    }

    /// <summary>A number of bytes.</summary>
    public static long Size(string text) => OptionText.TryBytes(text) ?? throw new FormatException(
        $"'{text}' is not a size: write 1000, 512KB, 64MB or 10GB");

    /// <summary>The known name that a mistyped one is nearest to, or null when none is near.</summary>
    public static string? Nearest(string name, IEnumerable<string> known)
    {
        var (best, distance) = known
            .Select(candidate => (Name: candidate, Distance: EditDistance(candidate.ToLowerInvariant(), name.ToLowerInvariant())))
            .MinBy(candidate => candidate.Distance);
        return distance <= Math.Max(2, name.Length / 4) ? best : null;
    }

    private static int EditDistance(string left, string right)
    {
        var row = Enumerable.Range(0, right.Length + 1).ToArray();
        for (var i = 1; i <= left.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= right.Length; j++)
            {
                var above = row[j];
                row[j] = Math.Min(Math.Min(row[j] + 1, row[j - 1] + 1), diagonal + (left[i - 1] == right[j - 1] ? 0 : 1));
                diagonal = above;
            }
        }

        return row[^1];
    }
}
