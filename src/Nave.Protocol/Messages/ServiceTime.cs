using System.Globalization;

namespace Nave.Protocol.Messages;

/// <summary>
/// Times as the service writes them: UTC, ISO 8601, always seven digits of a second. C# clients parse exactly that
/// (spec/device-mqtt.md 4).
/// </summary>
public static class ServiceTime
{
    /// <summary>The format, for the invariant culture.</summary>
    public const string Format = "yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'";

    /// <summary>How long a time is.</summary>
    public const int Length = 28;

    // What .NET calls the format where the time is UTC: it is written without being read first.
    private const string RoundTrip = "O";

    /// <summary>Writes a time.</summary>
    public static string Write(DateTimeOffset time) => time.UtcDateTime.ToString(RoundTrip, CultureInfo.InvariantCulture);

    /// <summary>Writes a time as UTF-8 of <see cref="Length"/>.</summary>
    public static void Write(DateTimeOffset time, Span<byte> utf8) =>
        time.UtcDateTime.TryFormat(utf8, out _, RoundTrip, CultureInfo.InvariantCulture);
}
