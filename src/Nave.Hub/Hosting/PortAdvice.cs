using System.Net;
using System.Net.Sockets;

namespace Nave.Hub.Hosting;

/// <summary>Says what to do when a port cannot be had.</summary>
internal static class PortAdvice
{
    /// <summary>The failure with its way out.</summary>
    /// <param name="wanted">What could not be bound.</param>
    /// <param name="error">Why.</param>
    /// <param name="program">The program that would need the capability.</param>
    public static StartFailureException Explain(HubEndPoint wanted, SocketError error, string program)
    {
        var where = $"{wanted.Address}:{wanted.Port} ({wanted.Serves})";
        var flag = FlagOf(wanted.Serves);
        var message = error switch
        {
            SocketError.AddressAlreadyInUse =>
                $"The port {where} is in use by another program. Stop it (ss -ltnp 'sport = :{wanted.Port}' names it), "
                + $"choose another port with {flag}, or another loopback address, for instance --bind 127.0.0.2 --host 127.0.0.2.",
            SocketError.AccessDenied =>
                $"The port {where} needs more rights than an ordinary user has. Allow it once with one of\n"
                + $"  sudo sysctl net.ipv4.ip_unprivileged_port_start={wanted.Port}\n"
                + $"  sudo setcap cap_net_bind_service=+ep {program}\n"
                + $"or choose another port: {flag} {OtherPort(wanted)}",
            SocketError.AddressNotAvailable =>
                $"{wanted.Address} is no address of this machine, so {wanted.Serves} cannot listen there. Choose one with --bind.",
            _ => $"Cannot listen on {where}: {error}. Choose another port with {flag}, or another address with --bind.",
        };
        return new StartFailureException(message);
    }

    private static string FlagOf(HubPort port) => port switch
    {
        HubPort.Mqtts => "--mqtts-port",
        HubPort.Amqps => "--amqps-port",
        HubPort.Https => "--https-port",
        HubPort.Operator => "--operator-port",
        HubPort.Mqtt => "--mqtt-port",
        _ => "--amqp-port",
    };

    private static int OtherPort(IPEndPoint wanted) => wanted.Port + (wanted.Port < 1000 ? 8000 : 10_000);
}
