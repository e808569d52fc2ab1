using Nave.Protocol.Identities;

namespace Nave.Hub.Devices;

/// <summary>
/// The presence of one identity in memory, while it is connected or not yet written. Any thread may call; each call is one
/// short lock.
/// </summary>
internal sealed class PresenceEntry(IdentityId id)
{
    private SessionName _session;
    private DeviceProtocol _protocol;
    private CloseReason? _reason;
    private DateTimeOffset _since;
    private DateTimeOffset _lastActivity;
    private bool _isConnected;
    private bool _isDirty;
    private bool _isRemoved;
    private bool _isHeard;
    private bool _hasSpoken;
    private bool _isNews;

    public IdentityId Id { get; } = id;

    /// <summary>Whether there is something to write.</summary>
    public bool IsDirty => Volatile.Read(ref _isDirty) || Volatile.Read(ref _isHeard);

    /// <summary>The device has sent a message or asks for commands. For the hot path: one store.</summary>
    public void Heard() => Volatile.Write(ref _isHeard, true);

    public ConnectResult TryConnect(SessionName session, DeviceProtocol protocol, DateTimeOffset now)
    {
        lock (this) // Nobody else does, and a lock of its own would be an object more for each connection.
        {
            if (_isRemoved)
            {
                return ConnectResult.Removed;
            }

            // Two sessions may report in the wrong order: the later takeover has the higher epoch.
            if (session.Epoch < _session.Epoch)
            {
                return ConnectResult.TookOver;
            }

            var was = _isConnected;
            _session = session;
            _protocol = protocol;
            _reason = null;
            _isConnected = true;
            _since = _lastActivity = now;
            _hasSpoken = false;
            Volatile.Write(ref _isHeard, false); // It was the last session's.
            _isDirty = _isNews = true;
            return was ? ConnectResult.TookOver : ConnectResult.NewlyConnected;
        }
    }

    /// <returns>Whether the identity was connected by that session until now.</returns>
    public bool TryDisconnect(SessionName session, CloseReason reason, DateTimeOffset now)
    {
        lock (this)
        {
            if (!_isConnected || _session != session)
            {
                return false;
            }

            TakeHeard(now);
            _isConnected = false;
            _reason = reason;
            _since = now;
            _isDirty = _isNews = true;
            return true;
        }
    }

    public PresenceState State(DateTimeOffset now)
    {
        lock (this)
        {
            TakeHeard(now);
            return new PresenceState(_isConnected, _since, _lastActivity) { Protocol = _protocol, Reason = _reason };
        }
    }

    /// <summary>What to write now.</summary>
    public PresenceRow TakeRow(DateTimeOffset now)
    {
        lock (this)
        {
            TakeHeard(now);
            var isNews = _isNews;
            _isDirty = _isNews = false;
            return new PresenceRow(Id, _session, _protocol, _isConnected, _since, _reason, _lastActivity) { HasSpoken = _hasSpoken, IsNews = isNews };
        }
    }

    /// <summary>What was taken could not be written.</summary>
    public void MarkDirty()
    {
        lock (this)
        {
            _isDirty = _isNews = true;
        }
    }

    /// <summary>Ends the entry's life if SQL knows all of it: whoever still holds it must take a new one.</summary>
    public bool TryRemove()
    {
        lock (this)
        {
            return _isRemoved = !_isConnected && !_isDirty;
        }
    }

    /// <summary>Ends the entry's life.</summary>
    /// <returns>Whether it was connected.</returns>
    public bool Remove()
    {
        lock (this)
        {
            var was = _isConnected;
            _isRemoved = true;
            _isConnected = false;
            return was;
        }
    }

    private void TakeHeard(DateTimeOffset now)
    {
        if (Volatile.Read(ref _isHeard))
        {
            Volatile.Write(ref _isHeard, false);
            _lastActivity = now;
            _isDirty = true;
            _isNews |= !_hasSpoken;
            _hasSpoken = true;
        }
    }
}

/// <summary>What became of a connect in an entry.</summary>
internal enum ConnectResult
{
    NewlyConnected,
    TookOver,
    Removed,
}
