using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Nave.Hub.Methods;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;
using Nave.Protocol.Messages;

namespace Nave.Hub.Heads.Http;

/// <summary>Direct methods over REST (spec/service-rest.md 7): the request is answered when the device has.</summary>
internal sealed class MethodEndpoints(MethodCaller caller, MethodOptions options)
{
    // Name, time-outs and white space around the payload.
    private const int EnvelopeBytes = 16 * 1024;

    public void Map(ServiceRoutes routes)
    {
        routes.Map(HttpMethods.Post, "/twins/{id}/methods", AccessRights.ServiceConnect, InvokeAsync);
        routes.Map(HttpMethods.Post, "/twins/{id}/modules/{moduleId}/methods", AccessRights.ServiceConnect, InvokeAsync);
    }

    private async ValueTask<ServiceAnswer> InvokeAsync(ServiceCall call)
    {
        if (!call.TryReadIdentity(out var id, out var failure)
            || !(await call.ReadBytesAsync(options.MaxPayloadBytes + EnvelopeBytes)).TryGet(out var body, out failure)
            || !MethodJson.Read(body).TryGet(out var request, out failure))
        {
            return failure;
        }

        var outcome = await caller.InvokeAsync(id, request, call.Stopping);
        return outcome.TryGet(out var response, out failure) ? new ResponseAnswer(response) : Refuse(failure, request);
    }

    /// <summary>Why a call failed: shape B where the device is the reason, for methods and for commands of digital twins.</summary>
    public static ServiceAnswer Refuse(HubFailure failure, DirectMethodRequest request) =>
        failure.Code is HubErrorCode.DeviceNotOnline ? new DeviceFailureAnswer(failure, request.ConnectTimeout)
        : failure.Code is HubErrorCode.GatewayTimeout or HubErrorCode.DeviceConnectionClosedRemotely or HubErrorCode.BadDeviceResponse
            ? new DeviceFailureAnswer(failure, request.ResponseTimeout)
        : failure;

    private sealed class ResponseAnswer(DirectMethodResponse response) : ServiceAnswer
    {
        public override async Task WriteAsync(HttpContext context, TimeProvider time)
        {
            var body = MethodJson.Write(response);
            context.Response.ContentType = JsonType;
            context.Response.ContentLength = body.Length;
            await context.Response.Body.WriteAsync(body, context.RequestAborted);
        }
    }

    /// <summary>Shape B: the failure as JSON in a string, for methods alone (spec/service-rest.md 3.1).</summary>
    private sealed class DeviceFailureAnswer(HubFailure failure, TimeSpan timeout) : ServiceAnswer
    {
        private const int TrackingBytes = 16;

        public override Task WriteAsync(HttpContext context, TimeProvider time)
        {
            var now = time.GetUtcNow();
            var tracking = RandomNumberGenerator.GetHexString(2 * TrackingBytes, lowercase: true);
            var document = new DeviceFailureDocument(
                (int)failure.Code,
                string.Create(CultureInfo.InvariantCulture, $"{tracking}-G:0-TimeStamp:{now:MM/dd/yyyy HH:mm:ss}"),
                failure.Message,
                new TimeoutDocument(timeout.ToString("c")),
                ServiceTime.Write(now));
            context.Response.Headers["iothub-errorcode"] = failure.Code.ToString();
            return Json(
                new FailureDocument(JsonSerializer.Serialize(document, ServiceJson.Default.DeviceFailureDocument), "", ErrorCode: null),
                ServiceJson.Default.FailureDocument,
                failure.HttpStatus).WriteAsync(context, time);
        }
    }
}

/// <summary>What stands in the string of shape B.</summary>
internal sealed record DeviceFailureDocument(int ErrorCode, string TrackingId, string Message, TimeoutDocument Info, string TimestampUtc);

/// <summary>How long it was waited, <c>hh:mm:ss</c>.</summary>
internal sealed record TimeoutDocument(string Timeout);
