using System.Buffers.Text;
using System.Text;
using System.Text.Json;
using Nave.Protocol.Messages;

namespace Nave.Hub.Twins;

/// <summary>
/// What a metadata node says of its value: when it was written and, of desired properties, by which version. Desired
/// properties keep their metadata as it is shown; reported ones, of which a device writes many, a number for each moment
/// (<see cref="TwinSchema"/>).
/// </summary>
internal readonly struct TwinStamp
{
    private TwinStamp(byte[] members, byte[] leaf)
    {
        Members = members;
        Leaf = leaf;
    }

    public static ReadOnlySpan<byte> LastUpdated => "$lastUpdated"u8;

    public static ReadOnlySpan<byte> LastUpdatedVersion => "$lastUpdatedVersion"u8;

    /// <summary>What an object's node begins with, without braces.</summary>
    public byte[] Members { get; }

    /// <summary>The node of any other value.</summary>
    public byte[] Leaf { get; }

    /// <summary>Of a change of desired properties.</summary>
    public static TwinStamp OfDesired(DateTimeOffset at, long version)
    {
        var members = $"\"$lastUpdated\":\"{ServiceTime.Write(at)}\",\"$lastUpdatedVersion\":{version}";
        return new(Encoding.UTF8.GetBytes(members), Encoding.UTF8.GetBytes("{" + members + "}"));
    }

    /// <summary>Of a change of reported properties.</summary>
    public static TwinStamp OfReported(long ticks)
    {
        Span<byte> digits = stackalloc byte[20];
        Utf8Formatter.TryFormat(ticks, digits, out var length);
        byte[] members = [.. "\"\":"u8, .. digits[..length]];
        return new(members, members[3..]);
    }

    /// <summary>Whether a member of a node is a stamp rather than a node below.</summary>
    public static bool IsIn(JsonProperty member) =>
        member.NameEquals(LastUpdated) || member.NameEquals(LastUpdatedVersion) || member.NameEquals(""u8);
}
