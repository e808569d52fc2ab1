using Nave.Hub.Devices;

namespace Nave.Hub.Methods;

/// <summary>
/// What an actor knows of direct methods: which session takes them, and who waits for one to do so. Never a pending call
/// itself: a method may take minutes, an actor's turn may not. Runs in the actor's turn.
/// </summary>
internal sealed class MethodWatch(IMethodRoute route)
{
    private SessionName? _taker;
    private List<MethodWaiter>? _waiters;

    /// <summary>Whether nobody waits. Who takes methods is connected, and keeps the actor awake by that.</summary>
    public bool IsIdle => _waiters is null;

    /// <summary>The session takes methods: who waits is told, once.</summary>
    public void Begin(SessionName session)
    {
        _taker = session;
        var waiters = _waiters;
        _waiters = null;
        foreach (var waiter in waiters ?? [])
        {
            route.Ready(waiter, session);
        }
    }

    /// <summary>The session takes methods no more.</summary>
    public void End(SessionName session)
    {
        if (_taker == session)
        {
            _taker = null;
        }
    }

    /// <summary>The session that takes methods; null when there is none, and then the waiter is told of the next.</summary>
    /// <param name="waiter">Null for a caller that does not wait.</param>
    /// <param name="gone">A session that the caller has found to be over, whether its end has got here or not.</param>
    public SessionName? Find(MethodWaiter? waiter, SessionName? gone)
    {
        if (_taker is not null && _taker != gone)
        {
            return _taker;
        }

        if (waiter is { } waiting)
        {
            (_waiters ??= []).Add(waiting);
        }

        return null;
    }

    /// <summary>Waits no more.</summary>
    public void StopWaiting(MethodWaiter waiter)
    {
        if (_waiters?.Remove(waiter) is true && _waiters.Count == 0)
        {
            _waiters = null;
        }
    }
}
