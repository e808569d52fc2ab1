using System.Buffers;
using System.Globalization;
using Microsoft.AspNetCore.Http;
using Nave.Hub.Commands;
using Nave.Hub.Devices;
using Nave.Hub.Quotas;
using Nave.Hub.Telemetry;
using Nave.Protocol;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Http;

/// <summary>
/// The HTTPS head: a device sends events, one or a batch, and receives, completes, rejects and abandons commands
/// (spec/device-http.md 2 to 4).
/// </summary>
internal static class DeviceMessageEndpoints
{
    private const string BatchType = "application/vnd.microsoft.iothub.json";

    // spec/device-http.md 3.
    private const int MaxBatchMessages = 500;

    // Base64 and JSON around 256 KB of bodies and properties.
    private const int MaxBatchBytes = 1024 * 1024;

    // spec/device-http.md 4: what a client may ask for as a lock.
    private const int MinLockSeconds = 5;
    private const int MaxLockSeconds = 300;
    private const int DefaultLockSeconds = 60;

    public static void Map(DeviceRoutes routes)
    {
        foreach (var device in new[] { "/devices/{id}", "/devices/{id}/modules/{moduleId}" })
        {
            routes.Map(HttpMethods.Post, device + "/messages/events", SendAsync);
            routes.Map(HttpMethods.Get, device + "/messages/deviceBound", ReceiveAsync);
            routes.Map(HttpMethods.Delete, device + "/messages/deviceBound/{lockToken}", EndAsync);
            routes.Map(HttpMethods.Post, device + "/messages/deviceBound/{lockToken}/abandon", AbandonAsync);
        }
    }

    private static async ValueTask<ServiceAnswer> SendAsync(ServiceCall call, DeviceSession session)
    {
        var isBatch = call.Context.Request.ContentType?.Split(';')[0].Trim().Equals(BatchType, StringComparison.OrdinalIgnoreCase) ?? false;
        if (!(await call.ReadBytesAsync(isBatch ? MaxBatchBytes : HubLimits.MaxTelemetryBytes)).TryGet(out var body, out var failure)
            || !(isBatch ? HttpBatch.Read(body, MaxBatchMessages) : ReadSingle(call, body)).TryGet(out var messages, out failure))
        {
            session.RefusedTelemetry(failure, call.Context.Request.ContentLength, isBatch);
            return failure;
        }

        // Neither connectionState nor lastActivityTime: messaging-semantics.md 7, which device-http.md 8 contradicts.
        return await session.SendTelemetryAsync(messages, call.Stopping) is { } refusal ? refusal : ServiceAnswer.NoContent;
    }

    private static async ValueTask<ServiceAnswer> ReceiveAsync(ServiceCall call, DeviceSession session)
    {
        var asked = call.Query("iothub-messagelocktimeout") ?? call.Context.Request.Headers["iothub-messagelocktimeout"].ToString();
        var seconds = int.TryParse(asked, NumberStyles.None, CultureInfo.InvariantCulture, out var wanted)
            ? Math.Clamp(wanted, MinLockSeconds, MaxLockSeconds)
            : DefaultLockSeconds;
        return await session.PassAsync(Metered.CommandReceives, call.Stopping) is { } throttled ? throttled
            : await session.ReceiveCommandAsync(TimeSpan.FromSeconds(seconds)) is { } delivery
            ? new CommandAnswer(delivery)
            : ServiceAnswer.NoContent;
    }

    private static ValueTask<ServiceAnswer> EndAsync(ServiceCall call, DeviceSession session) =>
        SettleAsync(call, session, call.Context.Request.Query.ContainsKey("reject") ? Settlement.Reject : Settlement.Complete);

    private static ValueTask<ServiceAnswer> AbandonAsync(ServiceCall call, DeviceSession session) =>
        SettleAsync(call, session, Settlement.Abandon);

    // The token in the path decides; If-Match is inconsistent among clients and ignored (spec/device-http.md 4).
    private static async ValueTask<ServiceAnswer> SettleAsync(ServiceCall call, DeviceSession session, Settlement settlement) =>
        !Guid.TryParse(call.Route("lockToken"), out var token) ? HubFailures.LockLost
            : await session.SettleCommandAsync(token, settlement) is { } failure ? failure
            : ServiceAnswer.NoContent;

    private static Outcome<List<TelemetryItem>> ReadSingle(ServiceCall call, byte[] body)
    {
        var headers = call.Context.Request.Headers.Select(header => new KeyValuePair<string, string?>(header.Key, header.Value.ToString()));
        return MessageHeaders.Read(headers).TryGet(out var properties, out var failure)
            ? new List<TelemetryItem> { new(TelemetryProperties.From(properties), new ReadOnlySequence<byte>(body)) }
            : failure;
    }

    /// <summary>200 with the message: headers for its properties, its bytes as the body.</summary>
    private sealed class CommandAnswer(CommandDelivery delivery) : ServiceAnswer
    {
        public override async Task WriteAsync(HttpContext context, TimeProvider time)
        {
            var response = context.Response;
            response.StatusCode = StatusCodes.Status200OK;
            response.ContentType = "application/octet-stream";
            response.ContentLength = delivery.Message.Body.Length;
            MessageHeaders.Write(delivery, response.Headers);
            await response.Body.WriteAsync(delivery.Message.Body, context.RequestAborted);
        }
    }
}
