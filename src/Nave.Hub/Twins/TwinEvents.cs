using System.Buffers;
using System.Text.Json;
using Nave.Protocol.Identities;

namespace Nave.Hub.Twins;

/// <summary>
/// The bodies of events about a twin (spec/messaging-semantics.md 5). An update holds only what it changed, with the
/// metadata and versions that it made; the rest of a section's metadata is that of the whole section.
/// </summary>
internal static class TwinEvents
{
    /// <summary>The whole twin: of a replacement, of an identity that comes or goes.</summary>
    public static byte[] Whole(IdentityId id, TwinRow twin) => Write((id, twin), static (writer, a) =>
    {
        var (id, twin) = a;
        writer.WriteString("deviceId"u8, id.Device.Value);
        if (id.Module is { } module)
        {
            writer.WriteString("moduleId"u8, module.Value);
        }

        writer.WriteString("etag"u8, twin.ETag);
        writer.WriteNumber("version"u8, twin.Version);
        WriteRaw(writer, "tags"u8, twin.Tags);
        writer.WriteStartObject("properties"u8);
        WriteSection(writer, "desired"u8, twin.Desired, twin.DesiredMetadata, twin.DesiredVersion);
        WriteSection(writer, "reported"u8, twin.Reported, twin.ReportedMetadata, twin.ReportedVersion);
        writer.WriteEndObject();
    });

    /// <summary>What a back end changed, in the twin as it is now.</summary>
    public static byte[] Update(TwinRow twin, TwinUpdate update) => Write((twin, update), static (writer, a) =>
    {
        writer.WriteNumber("version"u8, a.twin.Version);
        if (a.update.Tags is { } tags)
        {
            WriteRaw(writer, "tags"u8, tags.Replaces ? a.twin.Tags : tags.Json);
        }

        if (a.update.Desired is { } desired)
        {
            writer.WriteStartObject("properties"u8);
            var values = desired.Replaces ? a.twin.Desired : desired.Json;
            WriteSection(writer, "desired"u8, values, Changed(a.twin.DesiredMetadata, values), a.twin.DesiredVersion);
            writer.WriteEndObject();
        }
    });

    /// <summary>What the device changed, in the twin as it is now.</summary>
    public static byte[] Reported(TwinRow twin, JsonElement patch) => Write((twin, patch), static (writer, a) =>
    {
        writer.WriteNumber("version"u8, a.twin.Version);
        writer.WriteStartObject("properties"u8);
        var values = TwinMerge.Write(a.patch, static (patchWriter, patch) => patch.WriteTo(patchWriter));
        WriteSection(writer, "reported"u8, values, Changed(a.twin.ReportedMetadata, values), a.twin.ReportedVersion);
        writer.WriteEndObject();
    });

    // The nodes of what the change names.
    private static byte[] Changed(byte[] metadata, byte[] values)
    {
        using var nodes = JsonDocument.Parse(metadata);
        using var changed = JsonDocument.Parse(values);
        return TwinMerge.Write((nodes.RootElement, changed.RootElement), static (writer, a) => WriteNodes(writer, a.Item1, a.Item2));
    }

    private static void WriteNodes(Utf8JsonWriter writer, JsonElement node, JsonElement changed)
    {
        writer.WriteStartObject();
        foreach (var member in node.EnumerateObject())
        {
            if (member.Name.StartsWith('$'))
            {
                member.WriteTo(writer);
            }
        }

        if (changed.ValueKind is JsonValueKind.Object)
        {
            foreach (var member in changed.EnumerateObject())
            {
                if (node.TryGetProperty(member.Name, out var child))
                {
                    writer.WritePropertyName(member.Name);
                    WriteNodes(writer, child, member.Value);
                }
            }
        }

        writer.WriteEndObject();
    }

    private static byte[] Write<T>(T argument, Action<Utf8JsonWriter, T> writeMembers) =>
        TwinMerge.Write((argument, writeMembers), static (writer, a) =>
        {
            writer.WriteStartObject();
            a.writeMembers(writer, a.argument);
            writer.WriteEndObject();
        });

    private static void WriteSection(Utf8JsonWriter writer, ReadOnlySpan<byte> name, byte[] values, byte[] metadata, long version)
    {
        var section = new ArrayBufferWriter<byte>(values.Length + metadata.Length + 64);
        TwinText.WriteSection(section, values, metadata, version);
        WriteRaw(writer, name, section.WrittenSpan);
    }

    private static void WriteRaw(Utf8JsonWriter writer, ReadOnlySpan<byte> name, ReadOnlySpan<byte> json)
    {
        writer.WritePropertyName(name);
        writer.WriteRawValue(json, skipInputValidation: true);
    }
}
