using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Nave.Hub.Heartbeats;
using Nave.Hub.Monitoring;
using Nave.Protocol.Errors;

namespace Nave.Hub.Hosting;

/// <summary><c>/$nave/v1/why</c>: the last decisions about a device, an address, or the last refusals of all.</summary>
internal sealed class DecisionEndpoints(DecisionLog log)
{
    /// <summary>Maps it below the operator's root.</summary>
    public void Map(IEndpointRouteBuilder root) => root.MapGet("why", GetAsync);

    private Task GetAsync(HttpContext context)
    {
        var query = context.Request.Query;
        if (query["device"].ToString() is { Length: > 0 } device)
        {
            return AnswerAsync(context, log.About(device));
        }

        if (query["address"].ToString() is { Length: > 0 } text)
        {
            return IPAddress.TryParse(text, out var address)
                ? AnswerAsync(context, log.From(address))
                : OperatorJson.RefuseAsync(context, HubFailures.ArgumentInvalid.Saying("'address' is no IP address."));
        }

        return AnswerAsync(context, log.Recent());
    }

    private static Task AnswerAsync(HttpContext context, IReadOnlyList<Decision> decisions) => OperatorJson.AnswerAsync(
        context, new JsonArray([.. decisions.Select(decision => (JsonNode)Describe(decision))]));

    private static JsonObject Describe(Decision decision) => new()
    {
        ["at"] = HeartbeatJson.Text(decision.LastAt),
        ["first"] = HeartbeatJson.Text(decision.FirstAt),
        ["count"] = decision.Count,
        ["what"] = char.ToLowerInvariant(decision.Kind.ToString()[0]) + decision.Kind.ToString()[1..],
        ["device"] = decision.Device,
        ["address"] = decision.Address?.ToString(),
        ["protocol"] = decision.Protocol,
        ["code"] = decision.Code,
        ["explanation"] = decision.Explanation,
        ["hint"] = decision.Hint,
    };
}
