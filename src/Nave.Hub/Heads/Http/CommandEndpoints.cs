using Microsoft.AspNetCore.Http;
using Nave.Hub.Commands;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Http;

/// <summary>
/// Commands over REST: send, purge, and the HTTP form of feedback (spec/service-rest.md 2 and 10). Azure IoT Explorer and
/// the Azure CLI send commands this way.
/// </summary>
internal sealed class CommandEndpoints(CommandSender sender, FeedbackQueue feedback, CommandOptions options)
{
    public void Map(ServiceRoutes routes)
    {
        foreach (var device in new[] { "/devices/{id}", "/devices/{id}/modules/{moduleId}" })
        {
            routes.Map(HttpMethods.Post, device + "/messages/deviceBound", AccessRights.ServiceConnect, SendAsync);
            routes.Map(HttpMethods.Delete, device + "/commands", AccessRights.ServiceConnect, PurgeAsync);
        }

        routes.Map(HttpMethods.Get, "/messages/serviceBound/feedback", AccessRights.ServiceConnect, ReceiveFeedbackAsync);
        routes.Map(HttpMethods.Delete, "/messages/serviceBound/feedback/{lockToken}", AccessRights.ServiceConnect, CompleteFeedbackAsync);
        routes.Map(HttpMethods.Post, "/messages/serviceBound/feedback/{lockToken}/abandon", AccessRights.ServiceConnect, AbandonFeedbackAsync);
    }

    private async ValueTask<ServiceAnswer> SendAsync(ServiceCall call)
    {
        if (!call.TryReadIdentity(out var id, out var failure)
            || !(await call.ReadBytesAsync(options.MaxMessageBytes)).TryGet(out var body, out failure))
        {
            return failure;
        }

        var headers = call.Context.Request.Headers;
        var acknowledgement = headers["iothub-ack"].ToString();
        if (!CommandWords.TryParse(acknowledgement, out var request))
        {
            return HubFailures.ArgumentInvalid.Saying("iothub-ack is none, positive, negative or full.");
        }

        var pairs = headers.Select(header => new KeyValuePair<string, string?>(header.Key, header.Value.ToString()));
        if (!MessageHeaders.Read(pairs).TryGet(out var properties, out failure))
        {
            return failure;
        }

        return await sender.SendAsync(id, new CloudToDeviceMessage(properties, body, request), call.Stopping) is { } refusal
            ? refusal
            : ServiceAnswer.NoContent;
    }

    private async ValueTask<ServiceAnswer> PurgeAsync(ServiceCall call)
    {
        if (!call.TryReadIdentity(out var id, out var failure))
        {
            return failure;
        }

        if (!await sender.ExistsAsync(id, call.Stopping))
        {
            return id.IsModule ? HubFailures.ModuleNotFound : HubFailures.DeviceNotFound;
        }

        var purged = new PurgeDocument(id.Device.Value, id.Module?.Value, await sender.PurgeAsync(id));
        return ServiceAnswer.Json(purged, CommandJson.Default.PurgeDocument);
    }

    private async ValueTask<ServiceAnswer> ReceiveFeedbackAsync(ServiceCall call) =>
        await feedback.ReceiveAsync(call.Stopping) is { } batch ? new FeedbackAnswer(batch) : ServiceAnswer.NoContent;

    private ValueTask<ServiceAnswer> CompleteFeedbackAsync(ServiceCall call) => SettleFeedbackAsync(call, Settlement.Complete);

    private ValueTask<ServiceAnswer> AbandonFeedbackAsync(ServiceCall call) => SettleFeedbackAsync(call, Settlement.Abandon);

    private async ValueTask<ServiceAnswer> SettleFeedbackAsync(ServiceCall call, Settlement settlement) =>
        !Guid.TryParse(call.Route("lockToken"), out var token) ? HubFailures.LockLost
            : await feedback.SettleAsync(token, settlement, call.Stopping) is { } failure ? failure
            : ServiceAnswer.NoContent;

    private sealed class FeedbackAnswer(FeedbackBatch batch) : ServiceAnswer
    {
        public override async Task WriteAsync(HttpContext context, TimeProvider time)
        {
            var body = FeedbackJson.Write(batch);
            context.Response.ContentType = FeedbackJson.ContentType;
            context.Response.ContentLength = body.Length;
            context.Response.Headers["ETag"] = $"\"{batch.LockToken:D}\"";
            await context.Response.Body.WriteAsync(body, context.RequestAborted);
        }
    }
}
