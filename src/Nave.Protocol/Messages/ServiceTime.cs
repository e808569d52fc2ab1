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

    /// <summary>Writes a time.</summary>
    public static string Write(DateTimeOffset time) => time.UtcDateTime.ToString(Format, CultureInfo.InvariantCulture);
}
