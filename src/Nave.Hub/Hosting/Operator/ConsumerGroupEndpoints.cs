using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Nave.Hub.Telemetry;

namespace Nave.Hub.Hosting;

/// <summary><c>/$nave/v1/consumer-groups</c>: groups of readers of the events endpoint.</summary>
internal sealed class ConsumerGroupEndpoints(ConsumerGroups groups, ConsumerGroupStore store)
{
    /// <summary>Maps them below the operator's root.</summary>
    public void Map(IEndpointRouteBuilder root)
    {
        root.MapGet("consumer-groups", ListAsync);
        root.MapPut("consumer-groups/{name}", CreateAsync);
        root.MapDelete("consumer-groups/{name}", DeleteAsync);
    }

    private Task ListAsync(HttpContext context) =>
        OperatorJson.AnswerAsync(context, new JsonArray([.. groups.Names.Select(name => (JsonNode)name)]));

    private async Task CreateAsync(HttpContext context)
    {
        var failure = await store.CreateAsync(OperatorJson.Name(context), context.RequestAborted);
        await (failure is null ? ListAsync(context) : OperatorJson.RefuseAsync(context, failure));
    }

    private async Task DeleteAsync(HttpContext context)
    {
        var failure = await store.DeleteAsync(OperatorJson.Name(context), context.RequestAborted);
        await (failure is null ? OperatorJson.DoneAsync(context) : OperatorJson.RefuseAsync(context, failure));
    }
}
