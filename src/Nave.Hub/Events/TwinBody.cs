using System.Buffers;
using System.Data.Common;
using System.Text.Json;
using Nave.Hub.Devices;
using Nave.Hub.Twins;
using Nave.Protocol.Identities;
using Nave.Storage;

namespace Nave.Hub.Events;

/// <summary>
/// A whole twin as the body of an event: ids, ETag, version, tags and both sections with their metadata, and nothing of
/// the identity or its connection (spec/messaging-semantics.md 5).
/// </summary>
/// <param name="Json">The body.</param>
/// <param name="ModelId">The model that the device announced, or null.</param>
internal sealed record TwinBody(byte[] Json, string? ModelId)
{
    private const string FindOne = """
        SELECT etag_counter, version, json(tags), json(desired), desired_metadata, desired_version,
            json(reported), reported_metadata, reported_version, model_id
        FROM twins WHERE device_id = @device AND module_id = @module
        """;

    /// <summary>The twin as the unit sees it now, or null.</summary>
    public static TwinBody? Find(SqlSession session, IdentityId id) => session.Find(
        FindOne, row => Read(row, id), ("@device", id.Device.Value), ("@module", IdentityStore.ModuleColumn(id)));

    private static TwinBody Read(DbDataReader row, IdentityId id)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using var json = new Utf8JsonWriter(buffer, TwinMerge.WriterOptions);
        json.WriteStartObject();
        json.WriteString("deviceId"u8, id.Device.Value);
        if (id.Module is { } module)
        {
            json.WriteString("moduleId"u8, module.Value);
        }

        json.WriteString("etag"u8, TwinETag.Of(row.GetInt64(0)));
        json.WriteNumber("version"u8, row.GetInt64(1));
        json.WritePropertyName("tags"u8);
        json.WriteRawValue(TwinReader.Json(row, 2), skipInputValidation: true);
        json.WriteStartObject("properties"u8);
        WriteSection(json, "desired"u8, row, 3);
        WriteSection(json, "reported"u8, row, 6);
        json.WriteEndObject();
        json.WriteEndObject();
        json.Flush();
        return new TwinBody(buffer.WrittenSpan.ToArray(), row.IsDBNull(9) ? null : row.GetString(9));
    }

    // Values, metadata and version stand in three columns, one behind the other.
    private static void WriteSection(Utf8JsonWriter json, ReadOnlySpan<byte> name, DbDataReader row, int column)
    {
        var section = new ArrayBufferWriter<byte>(512);
        TwinText.WriteSection(section, TwinReader.Json(row, column), TwinReader.Json(row, column + 1), row.GetInt64(column + 2));
        json.WritePropertyName(name);
        json.WriteRawValue(section.WrittenSpan, skipInputValidation: true);
    }
}
