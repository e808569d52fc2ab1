using System.Buffers;
using System.Globalization;
using System.Text.Json;
using Nave.Protocol.Errors;
using Nave.Protocol.Messages;

namespace Nave.Hub.Heads;

/// <summary>
/// A failure as JSON for a device (spec/device-mqtt.md 8, spec/device-amqp.md 8): with an <c>errorCode</c> and a
/// <c>message</c>, by which Node knows it for a failure.
/// </summary>
internal static class FailureBody
{
    /// <summary>The body as the service writes it.</summary>
    public static byte[] Write(HubFailure failure, string connectionId, DateTimeOffset now)
    {
        var body = new ArrayBufferWriter<byte>(256);
        using var json = new Utf8JsonWriter(body);
        json.WriteStartObject();
        json.WriteNumber("errorCode", (int)failure.Code);
        json.WriteString("trackingId", string.Create(CultureInfo.InvariantCulture, $"{connectionId}-G:1-TimeStamp:{now:MM/dd/yyyy HH:mm:ss}"));
        json.WriteString("message", failure.Message);
        json.WriteString("timestampUtc", ServiceTime.Write(now));
        json.WriteEndObject();
        json.Flush();
        return body.WrittenSpan.ToArray();
    }
}
