using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;
using Nave.Hub.Devices;
using Nave.Hub.DigitalTwins;
using Nave.Hub.Methods;
using Nave.Hub.Quotas;
using Nave.Hub.Twins;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Heads.Http;

/// <summary>
/// Digital twins over REST (spec/service-rest.md 10): the device's twin and its direct methods under the names of Plug and
/// Play. Nothing is stored for them.
/// </summary>
internal sealed class DigitalTwinEndpoints(TwinStore twins, IDeviceDirectory directory, MethodCaller caller, MethodOptions options)
{
    private const int MaxPatchBytes = 256 * 1024;

    // A twin that changes as fast as it is read.
    private const int Attempts = 5;

    public void Map(ServiceRoutes routes)
    {
        routes.Map(HttpMethods.Get, "/digitaltwins/{id}", AccessRights.ServiceConnect, Metered.TwinReads, GetAsync);
        routes.Map(HttpMethods.Patch, "/digitaltwins/{id}", AccessRights.ServiceConnect, Metered.TwinUpdates, PatchAsync);
        routes.Map(HttpMethods.Post, "/digitaltwins/{id}/commands/{command}", AccessRights.ServiceConnect, InvokeAsync);
        routes.Map(HttpMethods.Post, "/digitaltwins/{id}/components/{component}/commands/{command}", AccessRights.ServiceConnect, InvokeAsync);
    }

    private async ValueTask<ServiceAnswer> GetAsync(ServiceCall call) =>
        !call.TryReadIdentity(out var id, out var failure) ? failure
        : (await twins.GetAsync(id, call.Stopping)).TryGet(out var twin, out failure)
            ? ServiceAnswer.WrittenJson(Encoding.UTF8.GetBytes(DigitalTwinDocument.Of(id, twin.Twin).ToJsonString()), etag: twin.Twin.ETag)
        : failure;

    private async ValueTask<ServiceAnswer> PatchAsync(ServiceCall call)
    {
        if (!call.TryReadIdentity(out var id, out var failure) || !(await call.ReadBytesAsync(MaxPatchBytes)).TryGet(out var body, out failure))
        {
            return failure;
        }

        if (!TwinRules.Parse(body).TryGet(out var patch, out _))
        {
            return HubFailures.FormatError;
        }

        using (patch)
        {
            return (await ChangeAsync(id, patch.RootElement, call)).TryGet(out var etag, out failure) ? new ChangedAnswer(id, etag) : failure;
        }
    }

    // The patch is made for the twin as it was read; whose condition names no ETag is served against whatever comes next.
    private async Task<Outcome<string>> ChangeAsync(IdentityId id, JsonElement patch, ServiceCall call)
    {
        HubFailure failure = HubFailures.PreconditionFailed;
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            if (!(await twins.GetAsync(id, call.Stopping)).TryGet(out var twin, out var unread))
            {
                return unread;
            }

            if (call.IfMatch?.Check(twin.Twin.ETag) is { } mismatch)
            {
                return mismatch;
            }

            if (!DigitalTwinPatch.Read(patch, twin.Twin).TryGet(out var change, out var refusal))
            {
                return refusal;
            }

            if (change.Update is not { } update)
            {
                return twin.Twin.ETag;
            }

            var outcome = await directory.Of(id).ChangeTwinAsync(update, ETagCondition.Exactly(twin.Twin.ETag));
            if (outcome.TryGet(out var changed, out var refused))
            {
                return changed.Document!.Twin.ETag; // The actor brings it.
            }

            failure = refused;
            if (failure.Code is not HubErrorCode.PreconditionFailed)
            {
                break;
            }
        }

        return failure;
    }

    private async ValueTask<ServiceAnswer> InvokeAsync(ServiceCall call)
    {
        if (!call.TryReadIdentity(out var id, out var failure)
            || !(await call.ReadBytesAsync(options.MaxPayloadBytes)).TryGet(out var body, out failure)
            || !ReadRequest(call, body).TryGet(out var request, out failure))
        {
            return failure;
        }

        var outcome = await caller.InvokeAsync(id, request, call.Stopping);
        return outcome.TryGet(out var response, out failure) ? new CommandAnswer(response) : MethodEndpoints.Refuse(failure, request);
    }

    private static Outcome<DirectMethodRequest> ReadRequest(ServiceCall call, byte[] body)
    {
        if (!TryReadSeconds(call, "connectTimeoutInSeconds", TimeSpan.Zero, out var connect)
            || !TryReadSeconds(call, "responseTimeoutInSeconds", MethodOptions.DefaultResponseTimeout, out var response))
        {
            return HubFailures.ArgumentInvalid.Saying("The time-outs are whole numbers of seconds.");
        }

        if (body.Length > 0 && !TwinRules.Parse(body).TryGet(out var document, out _))
        {
            return HubFailures.FormatError;
        }

        // spec/service-rest.md 10: a component's command is a method named component*command.
        var command = call.Route("command")!;
        var name = call.Route("component") is { } component ? $"{component}*{command}" : command;
        return new DirectMethodRequest(name, body.Length > 0 ? body : "null"u8.ToArray(), response, connect);
    }

    private static bool TryReadSeconds(ServiceCall call, string name, TimeSpan absent, out TimeSpan value)
    {
        value = absent;
        if (call.Query(name) is not { Length: > 0 } text)
        {
            return true;
        }

        var isNumber = int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds);
        value = TimeSpan.FromSeconds(seconds);
        return isNumber;
    }

    private sealed class ChangedAnswer(IdentityId id, string etag) : ServiceAnswer
    {
        public override long? Bytes => 0;

        public override Task WriteAsync(HttpContext context, TimeProvider time)
        {
            context.Response.StatusCode = StatusCodes.Status202Accepted;
            context.Response.Headers[HeaderNames.ETag] = $"\"{etag}\"";
            context.Response.Headers[HeaderNames.Location] = $"https://{context.Request.Host}/digitaltwins/{Uri.EscapeDataString(id.Device.Value)}";
            return Task.CompletedTask;
        }
    }

    // The body is the answer's payload alone; the device's status travels in a header.
    private sealed class CommandAnswer(DirectMethodResponse response) : ServiceAnswer
    {
        public override async Task WriteAsync(HttpContext context, TimeProvider time)
        {
            context.Response.ContentType = JsonType;
            context.Response.ContentLength = response.Payload.Length;
            context.Response.Headers["x-ms-command-statuscode"] = response.Status.ToString(CultureInfo.InvariantCulture);
            context.Response.Headers["x-ms-request-id"] = RandomNumberGenerator.GetHexString(32, lowercase: true);
            await context.Response.Body.WriteAsync(response.Payload, context.RequestAborted);
        }
    }
}
