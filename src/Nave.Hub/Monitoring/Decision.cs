using System.Net;

namespace Nave.Hub.Monitoring;

/// <summary>What was decided about somebody.</summary>
internal enum DecisionKind
{
    /// <summary>A credential was accepted.</summary>
    Admitted,

    /// <summary>A connection took its place.</summary>
    Connected,

    /// <summary>A connection ended.</summary>
    Disconnected,

    /// <summary>A connect, request, message or command was refused.</summary>
    Refused,

    /// <summary>A TLS handshake failed: nobody has a name yet.</summary>
    HandshakeFailed,
}

/// <summary>
/// One decision, or several that were the same: a flood of refusals is one entry with a count. Text that strangers chose
/// is escaped and cut before it gets here.
/// </summary>
/// <param name="Kind">What.</param>
/// <param name="Device">About whom, as it was named; null where nobody was.</param>
/// <param name="Address">From where; null where it is the hub's own or a back end's doing.</param>
/// <param name="Code">The error code's name, or the reason of an end; null for a success.</param>
/// <param name="Explanation">In words.</param>
internal sealed record Decision(DecisionKind Kind, string? Device, IPAddress? Address, string? Code, string Explanation)
{
    /// <summary>The first time.</summary>
    public DateTimeOffset FirstAt { get; init; }

    /// <summary>The last time.</summary>
    public DateTimeOffset LastAt { get; init; }

    /// <summary>How often.</summary>
    public long Count { get; init; } = 1;

    /// <summary>By which protocol or at which port, where it is known.</summary>
    public string? Protocol { get; init; }

    /// <summary>How to mend it; null where there is nothing to.</summary>
    public string? Hint { get; init; }

    /// <summary>Whether another one is the same but for its time.</summary>
    public bool IsSame(Decision other) =>
        Kind == other.Kind && Device == other.Device && Code == other.Code && Explanation == other.Explanation && Equals(Address, other.Address);
}
