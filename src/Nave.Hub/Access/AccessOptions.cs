namespace Nave.Hub.Access;

/// <summary>Section <c>Access</c>: how credentials are judged. Not changed once the hub runs.</summary>
internal sealed class AccessOptions
{
    /// <summary><c>Access:ClockSkew</c>: how long after its expiry a token still stands; 0 is legal (spec/security.md 2.5).</summary>
    public TimeSpan ClockSkew { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary><c>Access:AllowExpiredCertificates</c>: accept self-signed certificates outside their validity (spec/security.md 6.2).</summary>
    public bool AllowExpiredCertificates { get; set; }

    /// <summary>
    /// <c>Access:MaxFailuresPerAddress</c>: how many refused credentials an address has to its credit; it gets a
    /// sixtieth of them back each second. 0 lifts the limit: many devices may sit behind one address.
    /// </summary>
    public int MaxFailuresPerAddress { get; set; } = 600;

    /// <summary><c>Access:MaxConnectsPerDevice</c>: connects of one identity in a minute. 0 lifts the limit.</summary>
    public int MaxConnectsPerDevice { get; set; } = 600;

    /// <summary><c>Access:MaxConnectsPerAddress</c>: connects from one address in a minute, all identities together. 0 lifts the limit.</summary>
    public int MaxConnectsPerAddress { get; set; } = 100_000;

    /// <summary><c>Access:MaxMessagesPerDevice</c>: messages of one identity in a second: a tenth of a core. 0 lifts the limit.</summary>
    public int MaxMessagesPerDevice { get; set; } = 100_000;

    /// <summary>The name that event hub clients use for <c>/messages/events</c>; the <c>EntityPath</c> of connection strings.</summary>
    public string EventHubName { get; set; } = "nave";
}
