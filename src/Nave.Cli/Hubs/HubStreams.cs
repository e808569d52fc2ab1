using System.Net.Security;
using System.Net.Sockets;
using System.Net.WebSockets;
using Nave.Cli.Events;

namespace Nave.Cli.Hubs;

/// <summary>Byte streams to a hub: TLS on a port of its own, or WebSocket on the HTTPS port. Disposing of one closes all beneath it.</summary>
internal static class HubStreams
{
    private const string WebSocketPath = "/$iothub/websocket";

    /// <summary>TLS over TCP.</summary>
    public static async Task<Stream> OpenTlsAsync(HubTarget hub, int port, CancellationToken deadline)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(hub.Host, port, deadline);
            var stream = new SslStream(new NetworkStream(socket, ownsSocket: true));
            await stream.AuthenticateAsClientAsync(Trust.ClientOptions(hub.Host, hub.CaCertificate), deadline);
            return stream;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>A WebSocket that speaks the sub-protocol (<c>mqtt</c>, <c>AMQPWSB10</c>).</summary>
    public static async Task<Stream> OpenWebSocketAsync(HubTarget hub, string subProtocol, CancellationToken deadline)
    {
        var socket = new ClientWebSocket();
        try
        {
            socket.Options.AddSubProtocol(subProtocol);
            if (Trust.PolicyOf(hub.CaCertificate) is { } policy)
            {
                socket.Options.RemoteCertificateValidationCallback = (_, certificate, _, errors) => CaTrust.Accepts(policy, certificate, errors);
            }

            await socket.ConnectAsync(new UriBuilder("wss", hub.Host, hub.HttpsPort, WebSocketPath).Uri, deadline);
            return WebSocketStream.Create(socket, WebSocketMessageType.Binary, ownsWebSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
