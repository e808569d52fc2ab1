using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;

namespace Nave.Hub.Heads;

/// <summary>A head that can also be reached through a WebSocket. Registered with the container, once per head.</summary>
internal interface IWebSocketHead
{
    /// <summary>The sub-protocol that clients ask for: <c>AMQPWSB10</c>, <c>mqtt</c>.</summary>
    string SubProtocol { get; }

    /// <summary>Serves one connection until it is over; the caller closes the WebSocket. Never throws for anything the peer can cause.</summary>
    /// <param name="pipe">The bytes, whatever messages they came in.</param>
    /// <param name="context">The upgrade request: address, client certificate.</param>
    /// <param name="closed">The WebSocket is gone.</param>
    Task ServeAsync(IDuplexPipe pipe, HttpContext context, CancellationToken closed);
}
