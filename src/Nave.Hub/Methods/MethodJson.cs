using System.Buffers;
using System.Runtime.InteropServices;
using System.Text.Json;
using Nave.Protocol.Errors;

namespace Nave.Hub.Methods;

/// <summary>The JSON of a method call, as REST and jobs write it (spec/service-rest.md 7). Payloads pass as they were written.</summary>
internal static class MethodJson
{
    private static readonly byte[] NullPayload = "null"u8.ToArray();

    /// <summary>Reads a request; unknown members are ignored, <c>null</c> is as good as absent.</summary>
    public static Outcome<DirectMethodRequest> Read(ReadOnlyMemory<byte> body)
    {
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(body);
        }
        catch (JsonException)
        {
            return HubFailures.FormatError;
        }

        using (document)
        {
            return Read(document.RootElement);
        }
    }

    /// <summary>Reads a request that stands in a larger document.</summary>
    public static Outcome<DirectMethodRequest> Read(JsonElement root)
    {
        if (root.ValueKind is not JsonValueKind.Object)
        {
            return HubFailures.FormatError;
        }

        if (!TryReadName(root, out var name)
            || !TryReadSeconds(root, "responseTimeoutInSeconds", MethodOptions.DefaultResponseTimeout, out var response)
            || !TryReadSeconds(root, "connectTimeoutInSeconds", TimeSpan.Zero, out var connect))
        {
            return HubFailures.ArgumentInvalid.Saying("methodName is text, the time-outs are whole numbers of seconds.");
        }

        return new DirectMethodRequest(name, PayloadOf(root), response, connect);
    }

    /// <summary><c>{"status":200,"payload":…}</c>.</summary>
    public static ReadOnlyMemory<byte> Write(DirectMethodResponse response)
    {
        var body = new ArrayBufferWriter<byte>(response.Payload.Length + 64);
        using var json = new Utf8JsonWriter(body);
        json.WriteStartObject();
        json.WriteNumber("status", response.Status);
        json.WritePropertyName("payload");
        json.WriteRawValue(response.Payload.Span, skipInputValidation: true); // Checked where it came in.
        json.WriteEndObject();
        json.Flush();
        return body.WrittenMemory;
    }

    private static ReadOnlyMemory<byte> PayloadOf(JsonElement root) =>
        root.TryGetProperty("payload", out var payload) && payload.ValueKind is not JsonValueKind.Null
            ? JsonMarshal.GetRawUtf8Value(payload).ToArray()
            : NullPayload;

    private static bool TryReadName(JsonElement root, out string name)
    {
        name = "";
        if (!root.TryGetProperty("methodName", out var value) || value.ValueKind is JsonValueKind.Null)
        {
            return true; // Missing: said by whoever checks names.
        }

        if (value.ValueKind is not JsonValueKind.String)
        {
            return false;
        }

        try
        {
            name = value.GetString()!; // A string is not null.
            return true;
        }
        catch (InvalidOperationException)
        {
            return false; // Half a surrogate pair.
        }
    }

    private static bool TryReadSeconds(JsonElement root, string member, TimeSpan absent, out TimeSpan value)
    {
        value = absent;
        if (!root.TryGetProperty(member, out var element) || element.ValueKind is JsonValueKind.Null)
        {
            return true;
        }

        if (element.ValueKind is not JsonValueKind.Number || !element.TryGetInt32(out var seconds))
        {
            return false;
        }

        value = TimeSpan.FromSeconds(seconds);
        return true;
    }
}
