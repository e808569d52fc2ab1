using System.Text.Json;
using System.Text.Json.Serialization;
using Nave.Protocol.Messages;

namespace Nave.Hub.Commands;

/// <summary>How a command's properties lie in SQL: JSON, with a version, readable by an operator.</summary>
internal static class MessageJson
{
    /// <summary>Writes the properties.</summary>
    public static string Write(MessageProperties properties) =>
        JsonSerializer.Serialize(
            new StoredProperties
            {
                MessageId = properties.MessageId,
                CorrelationId = properties.CorrelationId,
                UserId = properties.UserId,
                To = properties.To,
                ContentType = properties.ContentType,
                ContentEncoding = properties.ContentEncoding,
                CreationTime = properties.CreationTime,
                Schema = properties.Schema,
                HasExpiry = properties.ExpiryTime is not null ? true : null,
                Application = [.. properties.Application.Select(property => new[] { property.Key, property.Value })],
            },
            StoredPropertiesContext.Default.StoredProperties);

    /// <summary>Reads what <see cref="Write"/> wrote.</summary>
    /// <exception cref="JsonException">It is something else.</exception>
    public static MessageProperties Read(string json, DateTimeOffset expiresAt)
    {
        var stored = JsonSerializer.Deserialize(json, StoredPropertiesContext.Default.StoredProperties)
            ?? throw new JsonException("Stored properties are null.");
        if (stored.Version != StoredProperties.CurrentVersion)
        {
            throw new JsonException($"Stored properties have version {stored.Version}, known is {StoredProperties.CurrentVersion}.");
        }

        return new MessageProperties
        {
            MessageId = stored.MessageId,
            CorrelationId = stored.CorrelationId,
            UserId = stored.UserId,
            To = stored.To,
            ContentType = stored.ContentType,
            ContentEncoding = stored.ContentEncoding,
            CreationTime = stored.CreationTime,
            Schema = stored.Schema,
            ExpiryTime = stored.HasExpiry is true ? expiresAt : null,
            Application = [.. stored.Application.Select(pair => new KeyValuePair<string, string?>(pair[0]!, pair[1]))],
        };
    }
}

internal sealed class StoredProperties
{
    public const int CurrentVersion = 1;

    [JsonPropertyName("v")]
    public int Version { get; set; } = CurrentVersion;

    public string? MessageId { get; set; }

    public string? CorrelationId { get; set; }

    public string? UserId { get; set; }

    public string? To { get; set; }

    public string? ContentType { get; set; }

    public string? ContentEncoding { get; set; }

    public string? CreationTime { get; set; }

    public string? Schema { get; set; }

    /// <summary>Whether the sender named an expiry: a device is told of none that it did not name.</summary>
    public bool? HasExpiry { get; set; }

    [JsonPropertyName("app")]
    public string?[][] Application { get; set; } = [];
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(StoredProperties))]
internal sealed partial class StoredPropertiesContext : JsonSerializerContext;
