using System.Net;
using System.Security.Cryptography.X509Certificates;

namespace Nave.Hub.Heads.Amqp;

/// <summary>The other end of a connection as the transport knows it.</summary>
/// <param name="ConnectionId">For the log.</param>
/// <param name="Address">Where it comes from; null when unknown.</param>
/// <param name="Certificate">The TLS client certificate, or null. Accepted by the handshake whatever it is (spec/security.md 6.1).</param>
/// <param name="IsWebSocket">Whether AMQP comes inside a WebSocket.</param>
internal sealed record AmqpPeer(string ConnectionId, IPAddress? Address, X509Certificate2? Certificate, bool IsWebSocket = false)
{
    /// <summary>Cuts the transport off as a dead network would; null where there is none to cut.</summary>
    public SocketReset Reset { get; init; }
}
