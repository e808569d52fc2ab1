using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;
using Nave.Hub.Devices;
using Nave.Hub.Hosting.Certificates;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>MQTT inside a WebSocket (spec/device-mqtt.md 1): the same head on other bytes.</summary>
internal sealed class MqttWebSockets(MqttConnectionHandler handler) : IWebSocketHead
{
    /// <inheritdoc/>
    public string SubProtocol => "mqtt";

    /// <inheritdoc/>
    public async Task ServeAsync(IDuplexPipe pipe, HttpContext context, CancellationToken closed)
    {
        var proof = context.Features.Get<ClientCertificateFeature>();
        var peer = new MqttPeer(
            context.Connection.Id, DeviceProtocol.MqttWs, context.Connection.RemoteIpAddress, proof?.Certificate, proof?.Others)
        {
            Reset = SocketReset.Of(context.Features),
        };
        if (!await handler.ServeAsync(pipe, peer))
        {
            context.Abort();
        }
    }
}
