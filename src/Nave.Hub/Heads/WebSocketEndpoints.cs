using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Nave.Hub.Heads;

/// <summary>
/// The WebSocket addresses of hub and events endpoint (spec/device-mqtt.md 1, spec/events-endpoint.md 1). One path serves
/// several protocols: the sub-protocol decides. A query and a trailing slash mean nothing.
/// </summary>
internal static class WebSocketEndpoints
{
    private static readonly string[] Paths = ["/$iothub/websocket", "/$servicebus/websocket"];

    /// <summary>Maps the addresses. The application has <c>UseWebSockets()</c> before its routing.</summary>
    public static IEndpointRouteBuilder MapWebSocketHeads(this IEndpointRouteBuilder routes)
    {
        foreach (var path in Paths)
        {
            routes.MapGet(path, ServeAsync);
        }

        return routes;
    }

    // A plain request delegate: binding parameters by reflection would cost the start-up its time.
    private static async Task ServeAsync(HttpContext context)
    {
        var asked = context.WebSockets.WebSocketRequestedProtocols;
        var head = context.RequestServices.GetServices<IWebSocketHead>().FirstOrDefault(candidate => asked.Contains(candidate.SubProtocol, StringComparer.OrdinalIgnoreCase));
        if (!context.WebSockets.IsWebSocketRequest || head is null)
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            return;
        }

        // Echoed as the client wrote it; no compression is agreed to (spec/service-amqp.md 1), and heads keep connections awake themselves.
        using var socket = await context.WebSockets.AcceptWebSocketAsync(new WebSocketAcceptContext
        {
            SubProtocol = asked.First(name => string.Equals(name, head.SubProtocol, StringComparison.OrdinalIgnoreCase)),
            KeepAliveInterval = TimeSpan.Zero,
        });
        await WebSocketTransport.RunAsync(socket, (pipe, closed) => head.ServeAsync(pipe, context, closed), context.RequestServices.GetRequiredService<TimeProvider>());
    }
}
