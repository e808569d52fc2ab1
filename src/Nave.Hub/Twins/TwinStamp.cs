using System.Text;
using Nave.Protocol.Messages;

namespace Nave.Hub.Twins;

/// <summary>What a metadata node says of its value: when it was written and, of desired properties, by which version.</summary>
internal readonly struct TwinStamp(DateTimeOffset at, long? version)
{
    public static ReadOnlySpan<byte> LastUpdated => "$lastUpdated"u8;

    public static ReadOnlySpan<byte> LastUpdatedVersion => "$lastUpdatedVersion"u8;

    /// <summary>Its members as JSON, without braces.</summary>
    public byte[] Members { get; } = Encoding.UTF8.GetBytes(
        $"\"$lastUpdated\":\"{ServiceTime.Write(at)}\"" + (version is { } number ? $",\"$lastUpdatedVersion\":{number}" : ""));
}
