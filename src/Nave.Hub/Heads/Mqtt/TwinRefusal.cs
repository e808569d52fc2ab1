using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>
/// The answer to a twin request that cannot be served: never silence, and always JSON with an <c>errorCode</c>, since a
/// Node client hangs on the one and dies of anything else (spec/device-mqtt.md 8, "Failures").
/// </summary>
internal static class TwinRefusal
{
    /// <summary><c>$iothub/twin/res/{status}/?$rid={rid}</c>, the request id byte for byte.</summary>
    public static byte[] TopicFor(HubFailure failure, ReadOnlySpan<byte> requestId) =>
        [.. Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"$iothub/twin/res/{failure.HttpStatus}/?$rid=")), .. requestId];

    /// <summary>The body as the service writes it.</summary>
    public static ReadOnlyMemory<byte> BodyOf(HubFailure failure, string connectionId, DateTimeOffset now)
    {
        var body = new ArrayBufferWriter<byte>(256);
        using var json = new Utf8JsonWriter(body);
        json.WriteStartObject();
        json.WriteNumber("errorCode", (int)failure.Code);
        json.WriteString("trackingId", string.Create(CultureInfo.InvariantCulture, $"{connectionId}-G:1-TimeStamp:{now:MM/dd/yyyy HH:mm:ss}"));
        json.WriteString("message", failure.Message);
        json.WriteString("timestampUtc", now.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture));
        json.WriteEndObject();
        json.Flush();
        return body.WrittenMemory;
    }
}
