using System.Buffers;
using System.Buffers.Text;

namespace Nave.Hub.Twins;

/// <summary>
/// Puts a section's parts together: values, metadata and version are kept apart, and read as one object. Splices text,
/// since all of it is JSON already.
/// </summary>
internal static class TwinText
{
    /// <summary>The twin as its device sees it: no tags, no metadata, a version in each part (spec/device-mqtt.md 8, "GET").</summary>
    public static byte[] ForDevice(ReadOnlySpan<byte> desired, long desiredVersion, ReadOnlySpan<byte> reported, long reportedVersion)
    {
        var output = new ArrayBufferWriter<byte>(desired.Length + reported.Length + 96);
        output.Write("{\"desired\":"u8);
        WriteSection(output, desired, [], desiredVersion);
        output.Write(",\"reported\":"u8);
        WriteSection(output, reported, [], reportedVersion);
        output.Write("}"u8);
        return output.WrittenSpan.ToArray();
    }

    /// <summary>A desired change as devices are told of it: the patch or the new section, with its version.</summary>
    public static byte[] WithVersion(ReadOnlySpan<byte> section, long version)
    {
        var output = new ArrayBufferWriter<byte>(section.Length + 40);
        WriteSection(output, section, [], version);
        return output.WrittenSpan.ToArray();
    }

    /// <summary>Values, <c>$metadata</c> where there is any, <c>$version</c>.</summary>
    public static void WriteSection(IBufferWriter<byte> output, ReadOnlySpan<byte> values, ReadOnlySpan<byte> metadata, long version)
    {
        var members = values[..^1];
        output.Write(members);
        if (members.Length > 1)
        {
            output.Write(","u8);
        }

        if (!metadata.IsEmpty)
        {
            output.Write("\"$metadata\":"u8);
            output.Write(metadata);
            output.Write(","u8);
        }

        output.Write("\"$version\":"u8);
        Span<byte> digits = stackalloc byte[20];
        Utf8Formatter.TryFormat(version, digits, out var length);
        output.Write(digits[..length]);
        output.Write("}"u8);
    }
}
