using System.Net;
using System.Net.Sockets;

namespace Nave.Hub.Heartbeats;

/// <summary>
/// Where webhooks may go: anywhere but to link-local addresses and those under which clouds hand out their machines'
/// credentials. Asked of the address itself at each connect, so that no name can change its mind in between.
/// </summary>
internal static class WebhookAddresses
{
    // Metadata services that are not link-local: Azure's wire server, Alibaba Cloud, Amazon over IPv6, Oracle.
    private static readonly IPAddress[] Metadata =
        [IPAddress.Parse("168.63.129.16"), IPAddress.Parse("100.100.100.200"), IPAddress.Parse("fd00:ec2::254"), IPAddress.Parse("192.0.0.192")];

    /// <summary>Whether a webhook may go there.</summary>
    public static bool IsAllowed(IPAddress address)
    {
        var plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        return !plain.IsIPv6LinkLocal && !plain.IsIPv6Multicast && !Metadata.Contains(plain)
            && !(plain.AddressFamily is AddressFamily.InterNetwork && (plain.GetAddressBytes() is [169, 254, ..] or [0, ..] or [>= 224, ..]))
            && !plain.Equals(IPAddress.IPv6Any);
    }

    /// <summary>Connects to an address that is allowed, of those the name has now.</summary>
    public static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken stopping)
    {
        var addresses = await Dns.GetHostAddressesAsync(context.DnsEndPoint.Host, stopping);
        var allowed = Array.FindAll(addresses, IsAllowed);
        if (allowed.Length == 0)
        {
            throw new HttpRequestException($"{context.DnsEndPoint.Host} has no address that a webhook may go to");
        }

        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(allowed, context.DnsEndPoint.Port, stopping);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
