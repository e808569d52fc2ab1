using System.Buffers;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Nave.Hub.Queries;

namespace Nave.Hub.Configurations;

/// <summary>The documents of configurations (spec/service-rest.md 10), member by member.</summary>
[JsonSerializable(typeof(Dictionary<string, string>))]
internal sealed partial class ConfigurationJson : JsonSerializerContext
{
    /// <summary>Several as an array.</summary>
    public static byte[] WriteAll(IEnumerable<ConfigurationView> views) => Write(writer =>
    {
        writer.WriteStartArray();
        foreach (var view in views)
        {
            Write(writer, view);
        }

        writer.WriteEndArray();
    });

    /// <summary>One.</summary>
    public static byte[] WriteOne(ConfigurationView view) => Write(writer => Write(writer, view));

    private static void Write(Utf8JsonWriter writer, ConfigurationView view)
    {
        var configuration = view.Configuration;
        writer.WriteStartObject();
        writer.WriteString("id"u8, configuration.Id);
        writer.WriteString("schemaVersion"u8, configuration.SchemaVersion);
        writer.WritePropertyName("labels"u8);
        writer.WriteRawValue(configuration.Labels);
        writer.WritePropertyName("content"u8);
        writer.WriteRawValue(configuration.Content.Json);
        writer.WriteString("contentType"u8, "assignment"u8);
        writer.WriteString("targetCondition"u8, configuration.TargetCondition);
        writer.WriteString("createdTimeUtc"u8, TextOf(configuration.CreatedTime));
        writer.WriteString("lastUpdatedTimeUtc"u8, TextOf(configuration.UpdatedTime));
        writer.WriteNumber("priority"u8, configuration.Priority);
        WriteSystemMetrics(writer, view);
        WriteMetrics(writer, "metrics"u8, view.Custom, configuration.Metrics);
        writer.WriteString("etag"u8, configuration.ETag);
        writer.WriteEndObject();
    }

    private static void WriteSystemMetrics(Utf8JsonWriter writer, ConfigurationView view)
    {
        var isForModules = view.Configuration.Condition?.Source is QuerySource.Modules;
        var applied = $"configurations.[[{view.Configuration.Id}]].status = 'Applied'";
        var condition = view.Configuration.TargetCondition.Trim();
        WriteMetrics(
            writer,
            "systemMetrics"u8,
            new Dictionary<string, long> { ["targetedCount"] = view.Targeted, ["appliedCount"] = view.Applied },
            new Dictionary<string, string>
            {
                ["targetedCount"] = isForModules ? $"select deviceId, moduleId {condition}"
                    : condition is "" or "*" ? "select deviceId from devices"
                    : $"select deviceId from devices where {condition}",
                ["appliedCount"] = isForModules
                    ? $"select deviceId, moduleId from devices.modules where {applied}"
                    : $"select deviceId from devices where {applied}",
            });
    }

    private static void WriteMetrics(
        Utf8JsonWriter writer, ReadOnlySpan<byte> name, IReadOnlyDictionary<string, long> results, IReadOnlyDictionary<string, string> queries)
    {
        writer.WriteStartObject(name);
        writer.WriteStartObject("results"u8);
        foreach (var (metric, count) in results)
        {
            writer.WriteNumber(metric, count);
        }

        writer.WriteEndObject();
        writer.WriteStartObject("queries"u8);
        foreach (var (metric, query) in queries)
        {
            writer.WriteString(metric, query);
        }

        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static byte[] Write(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using var writer = new Utf8JsonWriter(buffer, Twins.TwinMerge.WriterOptions);
        write(writer);
        writer.Flush();
        return buffer.WrittenSpan.ToArray();
    }

    private static string TextOf(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
}

/// <summary>A configuration with what is counted of it.</summary>
/// <param name="Configuration">The entry.</param>
/// <param name="Targeted">Identities in its scope.</param>
/// <param name="Applied">Twins of identities in which it has a part.</param>
/// <param name="Custom">Its custom metrics, as far as they have been counted.</param>
internal sealed record ConfigurationView(Configuration Configuration, long Targeted, long Applied, IReadOnlyDictionary<string, long> Custom);
