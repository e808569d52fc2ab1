using System.Collections.Concurrent;

namespace Nave.Hub.Devices;

/// <summary>The live sessions of this node, by name: how an actor's one-way calls reach them.</summary>
internal sealed class SessionTable(NodeIncarnation node)
{
    private readonly ConcurrentDictionary<long, DeviceSession> _sessions = new();
    private long _lastNumber;

    /// <summary>Sessions that hold a connection's place now.</summary>
    public int Count => _sessions.Count;

    /// <summary>All of them, for shutdown.</summary>
    public IEnumerable<DeviceSession> All => _sessions.Values;

    /// <summary>A number that no other session of this incarnation has.</summary>
    public long NextNumber() => Interlocked.Increment(ref _lastNumber);

    /// <summary>Makes a session reachable.</summary>
    public void Add(DeviceSession session) => _sessions[session.Name.Session] = session;

    /// <summary>Forgets a session.</summary>
    public void Remove(DeviceSession session) => _sessions.TryRemove(session.Name.Session, out _);

    /// <summary>The session of that name if it lives here.</summary>
    public DeviceSession? Find(SessionName name) =>
        name.Node == node.Id && _sessions.TryGetValue(name.Session, out var session) ? session : null;
}
