using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Nave.Hub.Hosting;

namespace Nave.Hub.Monitoring;

/// <summary><c>/health/live</c> and <c>/health/ready</c>, open to all, and <c>/metrics</c> on the operator port.</summary>
internal static class HealthEndpoints
{
    /// <summary>Maps the health checks; plain request delegates, since they are the first thing a start-up asks for.</summary>
    public static void Map(IEndpointRouteBuilder endpoints)
    {
        var open = endpoints.MapGroup("").WithMetadata(new OpenEverywhereAttribute());
        open.MapGet("/health/live", LiveAsync);
        open.MapGet("/health/ready", ReadyAsync);
        endpoints.MapGet("/metrics", MetricsAsync).WithMetadata(new OperatorPortAttribute());
    }

    private static Task LiveAsync(HttpContext context) => AnswerAsync(context, StatusCodes.Status200OK, "live");

    private static Task ReadyAsync(HttpContext context) =>
        context.RequestServices.GetRequiredService<HubHealth>().NotReadyBecause is { } reason
            ? AnswerAsync(context, StatusCodes.Status503ServiceUnavailable, reason)
            : AnswerAsync(context, StatusCodes.Status200OK, "ready");

    private static Task MetricsAsync(HttpContext context)
    {
        context.Response.ContentType = PrometheusPage.ContentType;
        return context.Response.WriteAsync(context.RequestServices.GetRequiredService<PrometheusPage>().Write());
    }

    private static Task AnswerAsync(HttpContext context, int status, string text)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        return context.Response.WriteAsync(text + "\n");
    }
}
