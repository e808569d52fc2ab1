using Nave.Hub.Devices;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Twins;

/// <summary>
/// An actor's twin: the order of its writes, and of what a watching session is told of them. Keeps no twin, only who
/// watches and a version: a change reads its row where it writes it.
/// </summary>
internal sealed class TwinBox(IdentityId id, TwinStore store, ITwinRoute route)
{
    private SessionName? _watcher;
    private long? _told;
    private ReportedVersion? _reported;

    /// <summary>Whether nothing would be lost if this box were dropped.</summary>
    public bool IsIdle => _watcher is null;

    /// <summary>Merges a device's patch; durable when completed without a failure.</summary>
    public ValueTask<ReportedOutcome> PatchReportedAsync(ReportedPatch patch) =>
        store.PatchReportedAsync(id, patch, _reported ??= new ReportedVersion());

    /// <summary>Applies a back end's change, and tells the watching device of it before the next one begins.</summary>
    public async ValueTask<Outcome<TwinChanged>> ChangeAsync(TwinUpdate update, ETagCondition condition)
    {
        var outcome = await store.ChangeAsync(id, update, condition);
        if (outcome.Value?.Desired is { } desired && _watcher is { } watcher)
        {
            await TellAsync(watcher, desired);
        }

        return outcome;
    }

    /// <summary>From now on the session is told of desired changes.</summary>
    public void Watch(SessionName session)
    {
        _watcher = session;
        _told = null;
    }

    /// <summary>The session is over, or wants to hear no more.</summary>
    public void SessionEnded(SessionName session)
    {
        if (_watcher == session)
        {
            _watcher = null;
        }
    }

    // A gap means that somebody wrote past this actor (another node for a moment): the device gets all there is now.
    private async ValueTask TellAsync(SessionName watcher, DesiredChange change)
    {
        if (_told is { } told && change.Version != told + 1)
        {
            change = await store.FindDesiredAsync(id) ?? change;
        }

        _told = change.Version;
        route.DesiredChanged(watcher, change);
    }
}

/// <summary>Takes desired changes to a session, on whichever node it is.</summary>
internal interface ITwinRoute
{
    /// <summary>One-way: a session that is gone loses it, and asks for its twin when it is back.</summary>
    void DesiredChanged(SessionName session, DesiredChange change);
}

/// <summary>To sessions of this node. With more nodes, those of others go over the wire from here.</summary>
internal sealed class TwinRoute(SessionTable sessions) : ITwinRoute
{
    /// <inheritdoc/>
    public void DesiredChanged(SessionName session, DesiredChange change) => sessions.Find(session)?.DesiredChanged(change);
}
