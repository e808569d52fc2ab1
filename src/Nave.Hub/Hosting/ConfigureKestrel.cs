using System.Net;
using System.Net.Security;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;
using Nave.Hub.Heads.Amqp;
using Nave.Hub.Heads.Mqtt;
using Nave.Hub.Hosting.Certificates;

namespace Nave.Hub.Hosting;

/// <summary>Puts the hub's listeners into Kestrel: on each port TLS where it belongs, and the head that serves it.</summary>
internal sealed class ConfigureKestrel(Listeners listeners, TlsHandshakes handshakes, ServerTls tls, HubOptions hub, TimeProvider time, IServiceProvider services)
    : IConfigureOptions<KestrelServerOptions>
{
    // No HTTP/2 where WebSockets are: clients that find it offered would have to use extended CONNECT for them.
    private static readonly List<SslApplicationProtocol> Http1 = [SslApplicationProtocol.Http11];

    /// <inheritdoc/>
    public void Configure(KestrelServerOptions options)
    {
        options.ApplicationServices = services; // TLS on a listener asks for it, and Kestrel may set it only after us.
        options.AddServerHeader = false;
        foreach (var endPoint in listeners.EndPoints())
        {
            options.Listen(endPoint, listener => Configure(listener, endPoint));
        }
    }

    private void Configure(ListenOptions listener, HubEndPoint endPoint)
    {
        listeners.Mark(listener, endPoint.Serves);
        listener.Protocols = HttpProtocols.Http1;
        switch (endPoint.Serves)
        {
            case HubPort.Https:
                UseTls(listener, Http1);
                break;
            case HubPort.Operator:
                TlsOrPlain.Use(
                    listener, IPAddress.IsLoopback(endPoint.Address), hub.Tls.HandshakeTimeout, time, inner => UseTls(inner, Http1));
                break;
            case HubPort.Mqtts:
                UseTls(listener, null);
                listener.UseConnectionHandler<MqttConnectionHandler>();
                break;
            case HubPort.Mqtt:
                listener.UseConnectionHandler<MqttConnectionHandler>();
                break;
            case HubPort.Amqps:
                UseTls(listener, null);
                listener.UseConnectionHandler<AmqpConnectionHandler>();
                break;
            case HubPort.Amqp:
                listener.UseConnectionHandler<AmqpConnectionHandler>();
                break;
            default:
                throw new InvalidOperationException($"No head serves {endPoint.Serves}.");
        }
    }

    private void UseTls(ListenOptions listener, List<SslApplicationProtocol>? protocols) =>
        handshakes.Use(listener, features => tls.CreateOptions(features, protocols));
}
