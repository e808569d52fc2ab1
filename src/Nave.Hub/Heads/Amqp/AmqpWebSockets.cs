using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;

namespace Nave.Hub.Heads.Amqp;

/// <summary>AMQP inside a WebSocket.</summary>
internal sealed class AmqpWebSockets(AmqpHead head, IHostApplicationLifetime lifetime) : IWebSocketHead
{
    public string SubProtocol => "AMQPWSB10";

    public Task ServeAsync(IDuplexPipe pipe, HttpContext context, CancellationToken closed) => head.RunAsync(
        pipe,
        new AmqpPeer(context.Connection.Id, context.Connection.RemoteIpAddress, context.Connection.ClientCertificate, IsWebSocket: true)
        {
            Reset = SocketReset.Of(context.Features),
        },
        lifetime.ApplicationStopping,
        closed);
}
