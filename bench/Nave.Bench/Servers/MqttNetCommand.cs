using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using MQTTnet.Server;

namespace Nave.Bench.Servers;

/// <summary><c>mqttnet</c>: MQTTnet's server as it comes, until it is stopped; the first line of output is the end point.</summary>
internal static class MqttNetCommand
{
    private const int Backlog = 4096;

    public static Command Create()
    {
        var options = new ServerOptions();
        var command = new Command("mqttnet", "MQTTnet's server with its defaults: a peer of the scenarios");
        options.AddTo(command);
        command.SetAction((parsed, stopping) => RunAsync(options, parsed, stopping));
        return command;
    }

    private static async Task<int> RunAsync(ServerOptions options, ParseResult parsed, CancellationToken stopping)
    {
        // It does not say which port it has taken when asked for a free one.
        var port = options.Port(parsed) is > 0 and var given ? given : FreePort();
        using var certificate = options.ReadCertificate(parsed);
        var builder = new MqttServerOptionsBuilder().WithConnectionBacklog(Backlog);
        if (certificate is null)
        {
            builder.WithDefaultEndpoint().WithDefaultEndpointPort(port)
                .WithDefaultEndpointBoundIPAddress(IPAddress.Loopback).WithDefaultEndpointBoundIPV6Address(IPAddress.None);
        }
        else
        {
            builder.WithoutDefaultEndpoint().WithEncryptedEndpoint().WithEncryptedEndpointPort(port)
                .WithEncryptedEndpointBoundIPAddress(IPAddress.Loopback).WithEncryptedEndpointBoundIPV6Address(IPAddress.None)
                .WithEncryptionCertificate(certificate);
        }

        using var server = new MqttServerFactory().CreateMqttServer(builder.Build());
        await server.StartAsync();
        Console.WriteLine($"{IPAddress.Loopback}:{port}");
        await ServerOptions.WaitAsync(stopping);
        await server.StopAsync();
        return 0;
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
