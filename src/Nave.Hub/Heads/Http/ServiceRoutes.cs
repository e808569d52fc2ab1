using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Microsoft.Net.Http.Headers;
using Nave.Hub.Access;
using Nave.Hub.Quotas;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Heads.Http;

/// <summary>Answers one admitted request.</summary>
internal delegate ValueTask<ServiceAnswer> ServiceHandler(ServiceCall call);

/// <summary>
/// Maps routes of the service API, each with the right that it needs. What all of them share happens here, in this order:
/// the api-version, the credential, the right, the handler, the answer. Plain request delegates: reflection over forty
/// handlers would cost the start-up a tenth of a second.
/// </summary>
internal sealed partial class ServiceRoutes(
    IEndpointRouteBuilder endpoints, AccessControl access, HubMeter meter, ServiceSignals signals, TimeProvider time, ILogger<ServiceRoutes> logger)
{
    /// <summary>Maps a route for whoever has the right.</summary>
    public void Map(string verb, string pattern, AccessRights right, ServiceHandler handler) => MapChecked(verb, pattern, async call =>
    {
        var since = time.GetTimestamp();
        var (policy, refusal) = await CheckAsync(call.Context, right);
        var answer = refusal ?? await handler(call);
        signals.Tell(new ServiceAnswered(
            verb, pattern, call.Route("id"), call.IfMatch is not null, policy, call.UserAgent, answer.Failure, time.GetElapsedTime(since)));
        return answer;
    });

    /// <summary>Maps a route for whoever has the right, when it is the turn of that operation.</summary>
    public void Map(string verb, string pattern, AccessRights right, Metered operation, ServiceHandler handler) =>
        Map(verb, pattern, right, call => RunMeteredAsync(call, operation, handler));

    /// <summary>Maps a route whose handler checks the credential itself; the api-version and the answer are seen to here.</summary>
    public void MapChecked(string verb, string pattern, ServiceHandler handler) =>
        endpoints.MapMethods(pattern, [verb], context => RunAsync(context, handler));

    /// <summary>Maps a route that answers everybody the same.</summary>
    public void MapOpen(string verb, string pattern, HubFailure failure) =>
        endpoints.MapMethods(pattern, [verb], context => WriteAsync(context, failure));

    /// <summary>Maps what nothing else matches.</summary>
    public void MapRest(HubFailure failure) => endpoints.MapFallback("{*path}", context => WriteAsync(context, failure));

    private async Task RunAsync(HttpContext context, ServiceHandler handler)
    {
        try
        {
            // spec/service-rest.md 1: any value is served, so that no client is too old or too new; only a missing one is refused.
            await WriteAsync(
                context,
                string.IsNullOrWhiteSpace(context.Request.Query["api-version"])
                    ? HubFailures.InvalidProtocolVersion
                    : await handler(new ServiceCall(context)));
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is there to be answered.
        }
        catch (BadHttpRequestException e)
        {
            var failure = e.StatusCode is StatusCodes.Status413PayloadTooLarge ? HubFailures.MessageTooLarge : HubFailures.FormatError;
            await WriteAsync(context, failure with { HttpStatus = e.StatusCode });
        }
        catch (Exception e) // The request's last line: it must be answered, and we must hear of it.
        {
            Log.Failed(logger, context.Request.Method, OperatorText.Quote(context.Request.Path.Value ?? ""), e);
            if (!context.Response.HasStarted)
            {
                await WriteAsync(context, e is IOException ? HubFailures.Unavailable : HubFailures.ServerError);
            }
        }
    }

    private async ValueTask<ServiceAnswer> RunMeteredAsync(ServiceCall call, Metered operation, ServiceHandler handler)
    {
        if (!meter.IsOn)
        {
            return await handler(call);
        }

        var id = call.TryReadIdentity(out var named, out _) ? named : (IdentityId?)null;
        if (await meter.PassAsync(operation, id, call.Stopping) is { } refusal)
        {
            return refusal;
        }

        // What is read costs what it is, what is changed what was sent (spec/messaging-semantics.md 3.1).
        var answer = await handler(call);
        if (answer.Bytes is { } bytes && operation.IsRefusedWithoutUnits())
        {
            meter.Charge(operation, operation is Metered.TwinUpdates ? call.Context.Request.ContentLength ?? bytes : bytes);
        }

        return answer;
    }

    private async ValueTask<(string? Policy, ServiceAnswer? Refusal)> CheckAsync(HttpContext context, AccessRights right)
    {
        AccessGrant? grant = null;
        var token = context.Request.Headers[HeaderNames.Authorization].ToString();
        var refusal = token.Length == 0 ? HubFailures.Unauthorized.Because("no Authorization header")
            : !(await access.AdmitTokenAsync(token, eventHubsSigning: false, context.Connection.RemoteIpAddress, context.RequestAborted))
                .TryGet(out grant, out var refused) ? refused
            : access.Allows(grant, right, context.Request.Path.Value ?? "/");

        // spec/service-rest.md 1.1: one code for all that is unauthorized here; 401003 is for devices' logs.
        var told = refusal is { HttpStatus: StatusCodes.Status401Unauthorized } ? HubFailures.Unauthorized.Saying(refusal.Message) : refusal;
        return (grant?.PolicyName, told is null ? null : (ServiceAnswer)told);
    }

    private Task WriteAsync(HttpContext context, ServiceAnswer answer) => answer.WriteAsync(context, time);

    private static partial class Log
    {
        [LoggerMessage(2301, LogLevel.Error, "{Method} {Path} failed")]
        public static partial void Failed(ILogger logger, string method, string path, Exception e);
    }
}
