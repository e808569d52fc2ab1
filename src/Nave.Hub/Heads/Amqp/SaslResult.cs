using Nave.Hub.Access;

namespace Nave.Hub.Heads.Amqp;

/// <summary>How a connection came through SASL.</summary>
/// <param name="Grant">What PLAIN has proven; null when a token or certificate is to follow.</param>
internal sealed record SaslResult(AccessGrant? Grant)
{
    /// <summary>No SASL at all, or a mechanism that proves nothing.</summary>
    public static SaslResult None { get; } = new((AccessGrant?)null);
}
