using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace Nave.Hub.Heads.Amqp;

/// <summary>AMQP on a Kestrel endpoint: 5671 behind TLS, 5672 without.</summary>
internal sealed class AmqpConnectionHandler(AmqpHead head) : ConnectionHandler
{
    public override async Task OnConnectedAsync(ConnectionContext connection)
    {
        var certificate = connection.Features.Get<ITlsConnectionFeature>()?.ClientCertificate;
        var draining = connection.Features.Get<IConnectionLifetimeNotificationFeature>()?.ConnectionClosedRequested ?? CancellationToken.None;
        var peer = new AmqpPeer(connection.ConnectionId, (connection.RemoteEndPoint as IPEndPoint)?.Address, certificate) { Reset = SocketReset.Of(connection.Features) };
        await head.RunAsync(connection.Transport, peer, draining, connection.ConnectionClosed);
    }
}
