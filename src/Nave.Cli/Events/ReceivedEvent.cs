using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Amqp;
using Amqp.Framing;
using Amqp.Types;

namespace Nave.Cli.Events;

/// <summary>One event as a reader of the events endpoint gets it.</summary>
internal sealed record ReceivedEvent
{
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>The partition it lies in.</summary>
    public required string Partition { get; init; }

    /// <summary>Its number there.</summary>
    public long SequenceNumber { get; init; }

    /// <summary>Its place there.</summary>
    public string Offset { get; init; } = "";

    /// <summary>When the hub took it.</summary>
    public DateTimeOffset EnqueuedTime { get; init; }

    /// <summary>Who sent it.</summary>
    public string? DeviceId { get; init; }

    /// <summary>The module that sent it, if any.</summary>
    public string? ModuleId { get; init; }

    /// <summary>What the hub stamped and the sender's system properties.</summary>
    public required IReadOnlyDictionary<string, object?> System { get; init; }

    /// <summary>The sender's own properties.</summary>
    public required IReadOnlyDictionary<string, object?> Properties { get; init; }

    /// <summary>The payload.</summary>
    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>Reads an AMQP message of the events endpoint.</summary>
    public static ReceivedEvent Of(string partition, Message message)
    {
        var annotations = message.MessageAnnotations?.Map ?? [];
        var system = annotations.ToDictionary(pair => pair.Key.ToString()!, pair => (object?)pair.Value);
        foreach (var (name, value) in SystemProperties(message.Properties))
        {
            system[name] = value;
        }

        return new ReceivedEvent
        {
            Partition = partition,
            SequenceNumber = Convert.ToInt64(annotations[new Symbol("x-opt-sequence-number")] ?? -1L, null),
            Offset = annotations[new Symbol("x-opt-offset")]?.ToString() ?? "",
            EnqueuedTime = annotations[new Symbol("x-opt-enqueued-time")] is DateTime time ? new DateTimeOffset(time.ToUniversalTime()) : default,
            DeviceId = annotations[new Symbol("iothub-connection-device-id")]?.ToString(),
            ModuleId = annotations[new Symbol("iothub-connection-module-id")]?.ToString(),
            System = system,
            Properties = (message.ApplicationProperties?.Map ?? []).ToDictionary(pair => pair.Key.ToString()!, pair => (object?)pair.Value),
            Body = message.BodySection switch
            {
                Data data => data.Binary,
                AmqpValue { Value: string text } => Encoding.UTF8.GetBytes(text),
                AmqpValue { Value: byte[] bytes } => bytes,
                _ => ReadOnlyMemory<byte>.Empty,
            },
        };
    }

    /// <summary>The payload as text, or null when it is binary.</summary>
    public string? BodyText
    {
        get
        {
            try
            {
                return StrictUtf8.GetString(Body.Span);
            }
            catch (ArgumentException)
            {
                return null;
            }
        }
    }

    /// <summary>The event for scripts: the payload as JSON if it is JSON, as text if it is text, else in base64.</summary>
    public JsonObject ToJson()
    {
        var json = new JsonObject
        {
            ["partition"] = Partition,
            ["sequenceNumber"] = SequenceNumber,
            ["offset"] = Offset,
            ["enqueuedTime"] = EnqueuedTime,
            ["deviceId"] = DeviceId,
        };
        if (ModuleId is not null)
        {
            json["moduleId"] = ModuleId;
        }

        json["systemProperties"] = ToJson(System);
        json["properties"] = ToJson(Properties);
        if (BodyText is not { } text)
        {
            json["bodyBase64"] = Convert.ToBase64String(Body.Span);
        }
        else
        {
            json["body"] = TryParse(text) ?? JsonValue.Create(text);
        }

        return json;
    }

    private static JsonNode? TryParse(string text)
    {
        try
        {
            return JsonNode.Parse(text);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static IEnumerable<(string Name, object Value)> SystemProperties(Properties? properties)
    {
        if (properties is null)
        {
            yield break;
        }

        (string Name, object? Value)[] all =
        [
            ("message-id", properties.GetMessageId()),
            ("user-id", properties.UserId is { } user ? Encoding.UTF8.GetString(user) : null),
            ("to", properties.To),
            ("correlation-id", properties.GetCorrelationId()),
            ("content-type", properties.ContentType?.ToString()),
            ("content-encoding", properties.ContentEncoding?.ToString()),
        ];
        foreach (var (name, value) in all)
        {
            if (value is not null)
            {
                yield return (name, value);
            }
        }
    }

    private static JsonObject ToJson(IReadOnlyDictionary<string, object?> values)
    {
        var json = new JsonObject();
        foreach (var (name, value) in values)
        {
            json[name] = value switch
            {
                null => null,
                bool flag => flag,
                long or int or short or byte => Convert.ToInt64(value, null),
                DateTime time => JsonValue.Create(new DateTimeOffset(time.ToUniversalTime())),
                _ => value.ToString(),
            };
        }

        return json;
    }
}
