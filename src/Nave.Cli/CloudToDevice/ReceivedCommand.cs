using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Nave.Cli.CloudToDevice;

/// <summary>A command as a device gets it over HTTPS (spec/device-http.md 4).</summary>
/// <param name="LockToken">What a settlement refers to.</param>
/// <param name="Headers">The <c>iothub-*</c> headers, in lower case.</param>
/// <param name="Body">The bytes.</param>
internal sealed record ReceivedCommand(string LockToken, IReadOnlyDictionary<string, string> Headers, ReadOnlyMemory<byte> Body)
{
    private const string ApplicationPrefix = "iothub-app-";
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>The sender's name for it, or null.</summary>
    public string? MessageId => Headers.GetValueOrDefault("iothub-messageid");

    /// <summary>Its place in the device's queue.</summary>
    public string SequenceNumber => Headers.GetValueOrDefault("iothub-sequencenumber") ?? "";

    /// <summary>The sender's own properties.</summary>
    public IEnumerable<KeyValuePair<string, string>> Properties => Headers
        .Where(header => header.Key.StartsWith(ApplicationPrefix, StringComparison.Ordinal))
        .Select(header => KeyValuePair.Create(header.Key[ApplicationPrefix.Length..], header.Value));

    /// <summary>The body as text, or null when it is binary.</summary>
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

    /// <summary>Reads an answer with a command in it.</summary>
    public static ReceivedCommand Of(HttpResponseHeaders headers, byte[] body) => new(
        headers.ETag?.Tag.Trim('"') ?? "",
        headers.Where(header => header.Key.StartsWith("iothub-", StringComparison.OrdinalIgnoreCase))
            .ToDictionary(header => Name(header.Key), header => string.Join(',', header.Value)),
        body);

    /// <summary>The command for scripts: its body as JSON if it is JSON, as text if it is text, else in base64.</summary>
    public JsonObject ToJson(string deviceId)
    {
        var json = new JsonObject { ["deviceId"] = deviceId, ["lockToken"] = LockToken };
        foreach (var (field, header) in SystemFields)
        {
            if (Headers.TryGetValue(header, out var value))
            {
                json[field] = value;
            }
        }

        json["sequenceNumber"] = long.TryParse(SequenceNumber, out var sequence) ? sequence : null;
        json["deliveryCount"] = int.TryParse(Headers.GetValueOrDefault("iothub-deliverycount"), out var count) ? count : null;
        json["properties"] = new JsonObject(Properties.Select(property => KeyValuePair.Create(property.Key, (JsonNode?)property.Value)));
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

    private static (string Field, string Header)[] SystemFields =>
    [
        ("messageId", "iothub-messageid"),
        ("correlationId", "iothub-correlationid"),
        ("userId", "iothub-userid"),
        ("to", "iothub-to"),
        ("enqueuedTime", "iothub-enqueuedtime"),
        ("expiry", "iothub-expiry"),
        ("ack", "iothub-ack"),
        ("contentType", "iothub-contenttype"),
        ("contentEncoding", "iothub-contentencoding"),
    ];

    // An application's own name keeps its letters.
    private static string Name(string header) =>
        header.StartsWith(ApplicationPrefix, StringComparison.OrdinalIgnoreCase)
            ? ApplicationPrefix + header[ApplicationPrefix.Length..]
            : header.ToLowerInvariant();

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
}
