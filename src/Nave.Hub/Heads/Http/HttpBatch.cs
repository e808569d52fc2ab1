using System.Buffers;
using System.Text;
using System.Text.Json;
using Nave.Hub.Telemetry;
using Nave.Protocol;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Http;

/// <summary>The batched form of events: a JSON array of bodies with properties (spec/device-http.md 3). All or nothing.</summary>
internal static class HttpBatch
{
    /// <summary>Reads a batch.</summary>
    public static Outcome<List<TelemetryItem>> Read(byte[] json, int maxMessages)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions { MaxDepth = 8 });
            if (document.RootElement.ValueKind is not JsonValueKind.Array)
            {
                return HubFailures.FormatError.Saying("A batch is an array of messages.");
            }

            if (document.RootElement.GetArrayLength() > maxMessages)
            {
                return HubFailures.ArgumentInvalid.Saying($"A batch has at most {maxMessages} messages.");
            }

            var items = new List<TelemetryItem>();
            long total = 0;
            foreach (var element in document.RootElement.EnumerateArray())
            {
                if (!ReadItem(element).TryGet(out var item, out var failure))
                {
                    return failure;
                }

                items.Add(item);
                total += item.Body.Length + item.Properties.CountedBytes;
            }

            return total > HubLimits.MaxTelemetryBytes
                ? HubFailures.MessageTooLarge.Saying($"The batch has {total} bytes, {HubLimits.MaxTelemetryBytes} are allowed.")
                : items;
        }
        catch (JsonException)
        {
            return HubFailures.FormatError;
        }
    }

    private static Outcome<TelemetryItem> ReadItem(JsonElement element)
    {
        if (element.ValueKind is not JsonValueKind.Object
            || !element.TryGetProperty("body", out var body) || body.ValueKind is not JsonValueKind.String)
        {
            return HubFailures.FormatError.Saying("Each message of a batch is an object with a text 'body'.");
        }

        byte[]? bytes;
        if (element.TryGetProperty("base64Encoded", out var encoded) && encoded.ValueKind is JsonValueKind.False)
        {
            bytes = Encoding.UTF8.GetBytes(body.GetString()!);
        }
        else if (!body.TryGetBytesFromBase64(out bytes))
        {
            return HubFailures.ArgumentInvalid.Saying("A message's body is not base64.");
        }

        var headers = element.TryGetProperty("properties", out var properties) && properties.ValueKind is JsonValueKind.Object
            ? properties.EnumerateObject().Select(property => new KeyValuePair<string, string?>(property.Name, TextOf(property.Value)))
            : [];
        return MessageHeaders.Read(headers).TryGet(out var read, out var failure)
            ? new TelemetryItem(TelemetryProperties.From(read), new ReadOnlySequence<byte>(bytes!))
            : failure;
    }

    // C# writes dates and numbers as JSON types: rendered as they stand.
    private static string? TextOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Null => null,
        _ => value.GetRawText(),
    };
}
