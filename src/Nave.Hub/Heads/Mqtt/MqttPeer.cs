using System.Net;
using System.Security.Cryptography.X509Certificates;
using Nave.Hub.Devices;
using Nave.Hub.Hosting.Sockets;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>The other end of a connection as the transport knows it.</summary>
/// <param name="ConnectionId">For the log.</param>
/// <param name="Protocol">MQTT over TCP or over WebSocket.</param>
/// <param name="Address">Where it comes from; null when unknown.</param>
/// <param name="Certificate">The TLS client certificate, or null. Accepted by the handshake whatever it is (spec/security.md 6.1).</param>
/// <param name="Chain">The other certificates that the client sent, or null.</param>
internal sealed record MqttPeer(
    string ConnectionId,
    DeviceProtocol Protocol,
    IPAddress? Address,
    X509Certificate2? Certificate = null,
    X509Certificate2Collection? Chain = null)
{
    /// <summary>Cuts the transport off as a dead network would.</summary>
    public SocketReset Reset { get; init; }

    /// <summary>The connection where it is on a loop of ours; null where the thread pool serves it.</summary>
    public SocketConnection? Socket { get; init; }
}
