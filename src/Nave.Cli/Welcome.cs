using Nave.Hub.Hosting;

namespace Nave.Cli;

/// <summary>What <c>nave up</c> says to the person who started it: what to paste where.</summary>
internal static class Welcome
{
    /// <summary>The text.</summary>
    public static string Text(ConnectionFile hub, string dataDirectory)
    {
        var ports = hub.Ports;
        var plain = ports.Mqtt is { } mqtt ? $", without TLS: MQTT {mqtt}, AMQP {ports.Amqp}" : "";
        return $"""

            Nave is ready at {hub.HostName}
              ports       MQTT {ports.Mqtts}, AMQP {ports.Amqps}, HTTPS and WebSocket {ports.Https}, operator {ports.Operator}{plain}
              back end    nave connection-string --policy iothubowner   (all policies: {Path.Combine(dataDirectory, ConnectionFile.FileName)})
              a device    nave device create my-device && nave connection-string my-device
              see events  nave events monitor
              trust       export NODE_EXTRA_CA_CERTS={hub.CaCertificate}
            Ctrl+C stops it.

            """;
    }
}
