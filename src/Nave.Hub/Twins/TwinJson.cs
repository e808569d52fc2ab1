using System.Text.Json;
using Nave.Hub.Devices;
using Nave.Protocol.Messages;

namespace Nave.Hub.Twins;

/// <summary>The twin document of the service API and of query rows, member by member (spec/service-rest.md 6.1).</summary>
internal static class TwinJson
{
    // What was never set.
    private const string Never = "0001-01-01T00:00:00Z";

    /// <summary>The document as UTF-8.</summary>
    public static byte[] Write(TwinDocument document) => TwinMerge.Write(document, static (writer, document) => Write(writer, document));

    /// <summary>Writes the document as one JSON object.</summary>
    public static void Write(Utf8JsonWriter writer, TwinDocument document)
    {
        var twin = document.Twin;
        writer.WriteStartObject();
        writer.WriteString("deviceId"u8, document.Id.Device.Value);
        if (document.Id.Module is { } module)
        {
            writer.WriteString("moduleId"u8, module.Value);
        }

        writer.WriteString("etag"u8, twin.ETag);
        WriteIdentity(writer, document);
        writer.WriteString("modelId"u8, twin.ModelId ?? "");
        writer.WriteNumber("version"u8, twin.Version);
        writer.WritePropertyName("tags"u8);
        writer.WriteRawValue(twin.Tags, skipInputValidation: true);
        writer.WriteStartObject("properties"u8);
        WriteSection(writer, "desired"u8, twin.Desired, twin.DesiredMetadata, twin.DesiredVersion);
        WriteSection(writer, "reported"u8, twin.Reported, twin.ReportedMetadata, twin.ReportedVersion);
        writer.WriteEndObject();
        WriteRest(writer, document);
        writer.WriteEndObject();
    }

    private static void WriteIdentity(Utf8JsonWriter writer, TwinDocument document)
    {
        writer.WriteString("deviceEtag"u8, document.DeviceETag);
        writer.WriteString("status"u8, IdentityWords.OfStatus(document.IsEnabled));
        if (document.StatusReason is { } reason)
        {
            writer.WriteString("statusReason"u8, reason);
        }

        writer.WriteString("statusUpdateTime"u8, TextOf(document.StatusUpdatedTime));
        writer.WriteString("connectionState"u8, document.Presence.IsConnected ? "Connected" : "Disconnected");
        writer.WriteString("lastActivityTime"u8, TextOf(document.Presence.LastActivity));
        writer.WriteNumber("cloudToDeviceMessageCount"u8, document.CloudToDeviceMessageCount);
        writer.WriteString("authenticationType"u8, IdentityWords.Of(document.AuthenticationType));
        writer.WriteStartObject("x509Thumbprint"u8);
        writer.WriteString("primaryThumbprint"u8, document.PrimaryThumbprint);
        writer.WriteString("secondaryThumbprint"u8, document.SecondaryThumbprint);
        writer.WriteEndObject();
    }

    private static void WriteRest(Utf8JsonWriter writer, TwinDocument document)
    {
        writer.WriteStartObject("capabilities"u8);
        writer.WriteBoolean("iotEdge"u8, document.IsEdge);
        writer.WriteEndObject();
        if (document.DeviceScope is { } scope)
        {
            writer.WriteString("deviceScope"u8, scope);
        }

        if (document.ParentScope is { } parent)
        {
            writer.WriteStartArray("parentScopes"u8);
            writer.WriteStringValue(parent);
            writer.WriteEndArray();
        }

        if (document.Twin.Configurations is { } configurations)
        {
            writer.WritePropertyName("configurations"u8);
            writer.WriteRawValue(configurations, skipInputValidation: true);
        }
    }

    private static void WriteSection(Utf8JsonWriter writer, ReadOnlySpan<byte> name, byte[] values, byte[] metadata, long version)
    {
        var section = TwinMerge.Scratch();
        TwinText.WriteSection(section, values, metadata, version);
        writer.WritePropertyName(name);
        writer.WriteRawValue(section.WrittenSpan, skipInputValidation: true);
    }

    private static string TextOf(DateTimeOffset? time) =>
        time is { } known ? ServiceTime.Write(known) : Never;
}
