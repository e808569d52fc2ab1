using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Nave.Hub.Access;
using Nave.Hub.Telemetry;

namespace Nave.Hub.Devices;

/// <summary>
/// The sessions of this node: opens them, hands the connection's place from one to the next, and finds one by name.
/// One incarnation of a node has one id, so that names of a former life mean nothing here.
/// </summary>
internal sealed partial class DeviceSessions(
    IDeviceDirectory directory,
    AccessControl access,
    LiveAccessTable liveAccess,
    Presence presence,
    TelemetryPipeline telemetry,
    NodeIncarnation node,
    ILogger<DeviceSessions> logger)
{
    private readonly ConcurrentDictionary<long, DeviceSession> _sessions = new();
    private long _lastSession;

    /// <summary>Sessions that hold a connection's place now.</summary>
    public int Count => _sessions.Count;

    /// <summary>
    /// Opens a session that takes the connection's place; an older one of the same identity is closed as taken over.
    /// </summary>
    /// <returns>The session, or why the grant no longer stands.</returns>
    public async ValueTask<(DeviceSession? Session, CloseReason? Refused)> OpenAsync(SessionRequest request, CancellationToken stopping)
    {
        var identity = request.Grant.Identity!.Value;
        var number = Interlocked.Increment(ref _lastSession);
        var takeover = await directory.ConnectAsync(identity, node.Id, number, presence.LastEpoch(identity), stopping);
        var session = new DeviceSession(this, telemetry, request, takeover.Current, holdsPlace: true);
        _sessions[number] = session;
        presence.Connected(identity, takeover.Current, request.Protocol);
        if (takeover.Previous is { } previous && Find(previous) is { } loser)
        {
            Log.TakenOver(logger, identity.ToString(), loser.Protocol, request.Protocol);
            loser.TakenOver();
        }

        // Watched first, checked after: a change in between is seen by one or the other.
        session.WatchedBy(liveAccess.Watch(session));
        if (await access.FindRevocationAsync(request.Grant, stopping) is { } revoked)
        {
            await session.EndAsync(revoked);
            return (null, revoked);
        }

        return (session, null);
    }

    /// <summary>A session for one HTTP request: no place, no presence, no watch.</summary>
    public DeviceSession OpenForRequest(SessionRequest request) =>
        new(this, telemetry, request, default, holdsPlace: false);

    /// <summary>The session of that name if it lives here.</summary>
    public DeviceSession? Find(SessionName name) =>
        name.Node == node.Id && _sessions.TryGetValue(name.Session, out var session) ? session : null;

    /// <summary>Closes every session, at shutdown.</summary>
    public void CloseAll(CloseReason reason)
    {
        foreach (var session in _sessions.Values)
        {
            session.Revoke(reason);
        }
    }

    internal async ValueTask EndedAsync(DeviceSession session, CloseReason reason)
    {
        if (!session.HoldsPlace)
        {
            return;
        }

        _sessions.TryRemove(session.Name.Session, out _);
        if (await directory.DisconnectAsync(session.Id, session.Name, CancellationToken.None))
        {
            presence.Disconnected(session.Id, session.Name, reason);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(3001, LogLevel.Debug, "{DeviceId}: a new {NewProtocol} connection takes the place of the one over {OldProtocol}")]
        public static partial void TakenOver(ILogger logger, string deviceId, DeviceProtocol oldProtocol, DeviceProtocol newProtocol);
    }
}
