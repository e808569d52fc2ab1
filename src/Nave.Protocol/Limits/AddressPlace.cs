using System.Net;
using System.Net.Sockets;

namespace Nave.Protocol.Limits;

/// <summary>What counts as one place where strangers are limited by their address.</summary>
public static class AddressPlace
{
    /// <summary>The address, or of IPv6 its /64, which a site has to itself: one address of it is as good as another.</summary>
    public static string Of(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
        {
            address = address.MapToIPv4();
        }

        return address.AddressFamily is AddressFamily.InterNetworkV6
            ? Convert.ToHexString(address.GetAddressBytes().AsSpan(0, 8))
            : address.ToString();
    }
}
