using System.Globalization;
using System.Text.Json;

namespace Nave.Hub.Twins;

/// <summary>What a metadata node says of its value: when it was written and, of desired properties, by which version.</summary>
internal readonly struct TwinStamp(DateTimeOffset at, long? version)
{
    private readonly string _at = at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture);

    public static ReadOnlySpan<byte> LastUpdated => "$lastUpdated"u8;

    public static ReadOnlySpan<byte> LastUpdatedVersion => "$lastUpdatedVersion"u8;

    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteString(LastUpdated, _at);
        if (version is { } number)
        {
            writer.WriteNumber(LastUpdatedVersion, number);
        }
    }
}
