using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Nave.Hub.Monitoring;

namespace Nave.Hub.Hosting;

/// <summary>
/// The hub's ports: which addresses, what is served there, which numbers they got. Kestrel does the rest. The plain
/// ports are loopback only, whatever the address of the others.
/// </summary>
internal sealed class Listeners(HubOptions options, HubSurroundings surroundings, HubMetrics metrics)
{
    private readonly ConcurrentDictionary<HubPort, int> _bound = new();

    /// <summary>The number that the port really has; null when it is not open.</summary>
    public int? NumberOf(HubPort port) => _bound.TryGetValue(port, out var number) ? number : null;

    /// <summary>Every address to listen on.</summary>
    public IEnumerable<HubEndPoint> EndPoints()
    {
        var listen = options.Listen;
        IEnumerable<(HubPort Port, IPAddress Address, int Number)> wanted =
        [
            (HubPort.Mqtts, listen.Address, listen.MqttsPort),
            (HubPort.Amqps, listen.Address, listen.AmqpsPort),
            (HubPort.Https, listen.Address, listen.HttpsPort),
            (HubPort.Operator, listen.OperatorAddress ?? listen.OwnLoopback, listen.OperatorPort),
            .. listen.Plain
                ? [(HubPort.Mqtt, listen.OwnLoopback, listen.MqttPort), (HubPort.Amqp, listen.OwnLoopback, listen.AmqpPort)]
                : Array.Empty<(HubPort, IPAddress, int)>(),
        ];
        foreach (var (port, address, number) in wanted)
        {
            yield return new HubEndPoint(port, address, number);

            // `localhost` is 127.0.0.1 and ::1 to clients. A free port would be another one on each.
            if (address.Equals(IPAddress.Loopback) && number != 0 && HasIPv6Loopback.Value)
            {
                yield return new HubEndPoint(port, IPAddress.IPv6Loopback, number);
            }
        }
    }

    /// <summary>Sets the transport up: backlog, scheduling, and sockets whose failures say what to do.</summary>
    public void Configure(SocketTransportOptions transport)
    {
        transport.Backlog = options.Listen.Backlog;
        transport.UnsafePreferInlineScheduling = options.Listen.InlineScheduling;
        transport.CreateBoundListenSocket = Bind;
    }

    /// <summary>Binds an address and listens there, for a transport of our own.</summary>
    public Socket Listen(EndPoint place)
    {
        var socket = Bind(place);
        try
        {
            socket.Listen(options.Listen.Backlog);
            return socket;
        }
        catch (SocketException e)
        {
            socket.Dispose();

            // Kestrel tells a port that is taken by this type.
            throw e.SocketErrorCode is SocketError.AddressAlreadyInUse ? new AddressInUseException(e.Message, e) : e;
        }
    }

    /// <summary>Marks and counts each connection of a listener.</summary>
    public void Mark(ListenOptions listener, HubPort port)
    {
        // Heads other than HTTP do not ask, and a feature makes the list of every connection grow.
        var arrival = port is HubPort.Https or HubPort.Operator ? new ArrivalFeature(port) : null;
        var name = port.ToString().ToLowerInvariant();
        listener.Use(next => async connection =>
        {
            if (arrival is not null)
            {
                connection.Features.Set(arrival);
            }

            metrics.ConnectionOpened(name);
            try
            {
                await next(connection);
            }
            finally
            {
                metrics.ConnectionClosed(name);
            }
        });
    }

    private static Lazy<bool> HasIPv6Loopback { get; } = new(() =>
    {
        try
        {
            using var probe = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp);
            probe.Bind(new IPEndPoint(IPAddress.IPv6Loopback, 0));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    });

    [SuppressMessage("Reliability", "CA2000", Justification = "Kestrel owns the socket that is returned.")]
    private Socket Bind(EndPoint wanted)
    {
        try
        {
            var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(wanted);
            if (wanted is HubEndPoint place)
            {
                _bound.TryAdd(place.Serves, ((IPEndPoint)socket.LocalEndPoint!).Port);
            }

            return socket;
        }
        catch (SocketException e) when (wanted is HubEndPoint place)
        {
            throw PortAdvice.Explain(place, e.SocketErrorCode, surroundings.Program);
        }
    }
}
