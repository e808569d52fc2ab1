using System.Net;
using System.Text.RegularExpressions;
using Nave.PskGateway.Mqtt;

namespace Nave.PskGateway;

/// <summary>What can be set on a gateway.</summary>
public sealed record PskGatewayOptions
{
    /// <summary>Of the port.</summary>
    public required IPAddress Address { get; init; }

    /// <summary>TLS-PSK; 0 takes a free one.</summary>
    public required int Port { get; init; }

    /// <summary>An unknown identity is answered like a wrong key.</summary>
    public bool HideUnknownIdentity { get; init; } = true;

    /// <summary>Plain PSK suites of TLS 1.2 are served too.</summary>
    public bool AllowNonForwardSecret { get; init; }

    /// <summary>A CONNECT may bring any client id.</summary>
    public bool AnyClientId { get; init; }

    /// <summary>What is published to an unmapped topic is acknowledged and dropped.</summary>
    public bool DropUnmapped { get; init; }

    /// <summary>The operator's topic table.</summary>
    public TopicMap Topics { get; init; } = TopicMap.None;

    /// <summary>Takes the device id out of identities; null where they are device ids.</summary>
    public Regex? IdentityPattern { get; init; }

    /// <summary>Connections at once.</summary>
    public int MostConnections { get; init; } = 20_000;

    /// <summary>Handshakes at once.</summary>
    public int MostHandshakes { get; init; } = 500;

    /// <summary>Of those, from one address (a /64 of IPv6): a silent host must not hold all of them. A site behind one address may need more.</summary>
    public int MostHandshakesPerAddress { get; init; } = 64;
}
