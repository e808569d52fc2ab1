using Nave.Protocol.Identities;

namespace Nave.Hub.Devices;

/// <summary>
/// One identity that is connected or being addressed. Owns the connection's place; handles one call at a time, which its
/// home sees to. Knows nothing of where it lives: arguments and results are values, sessions are named, not referenced.
/// </summary>
/// <remarks>Command queue, twin order and pending methods join it with the issues that build them.</remarks>
internal sealed class DeviceActor(IdentityId id)
{
    private SessionName? _connected;
    private long _epoch;

    /// <summary>Whom this is.</summary>
    public IdentityId Id { get; } = id;

    /// <summary>The session that has the connection's place, or null.</summary>
    public SessionName? Connected => _connected;

    /// <summary>Whether nothing would be lost if this actor were dropped.</summary>
    public bool IsIdle => _connected is null;

    /// <summary>Gives the place to a new session: newest wins (spec/device-mqtt.md 2.5).</summary>
    /// <returns>The new session's full name, and the one that lost its place.</returns>
    public TakeoverResult Connect(Guid node, long session, long epochFloor)
    {
        var previous = _connected;
        _epoch = Math.Max(_epoch, epochFloor) + 1;
        _connected = new SessionName(node, session, _epoch);
        return new TakeoverResult(_connected.Value, previous);
    }

    /// <summary>Frees the place if the session still has it.</summary>
    /// <returns>Whether it had; a stale session changes nothing.</returns>
    public bool Disconnect(SessionName session)
    {
        if (_connected != session)
        {
            return false;
        }

        _connected = null;
        return true;
    }
}

/// <summary>The outcome of a connect.</summary>
internal readonly record struct TakeoverResult(SessionName Current, SessionName? Previous);
