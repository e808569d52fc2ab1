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
    SessionTable sessions,
    NodeIncarnation node,
    ILogger<DeviceSessions> logger)
{
    /// <summary>Sessions that hold a connection's place now.</summary>
    public int Count => sessions.Count;

    /// <summary>
    /// Opens a session that takes the connection's place; an older one of the same identity is closed as taken over.
    /// </summary>
    /// <returns>The session, or why the grant no longer stands.</returns>
    public async ValueTask<(DeviceSession? Session, CloseReason? Refused)> OpenAsync(SessionRequest request, CancellationToken stopping)
    {
        var identity = request.Grant.Identity!.Value;
        var number = sessions.NextNumber();
        var takeover = await directory.Of(identity).ConnectAsync(node.Id, number, presence.LastEpoch(identity));
        var session = new DeviceSession(this, telemetry, request, takeover.Current, holdsPlace: true);
        sessions.Add(session);
        session.HeardBy(presence.Connected(identity, takeover.Current, request.Protocol));
        if (takeover.Previous is { } previous && sessions.Find(previous) is { } loser)
        {
            Log.TakenOver(logger, identity.ToString(), loser.Protocol, request.Protocol);
            loser.TakenOver();
        }

        // Watched first, checked after: a change in between is seen by one or the other.
        session.WatchedBy(liveAccess.Watch(session));
        CloseReason? refused = CloseReason.InternalError;
        try
        {
            // Likewise: who took the place before this session could be found has not told it.
            if (await directory.Of(identity).FindConnectedAsync() != session.Name)
            {
                session.TakenOver();
            }

            refused = await access.FindRevocationAsync(request.Grant, stopping);
        }
        finally
        {
            if (refused is { } reason)
            {
                await session.EndAsync(reason);
            }
        }

        return refused is null ? (session, null) : (null, refused);
    }

    /// <summary>A session for one HTTP request: no place, no presence, no watch.</summary>
    public DeviceSession OpenForRequest(SessionRequest request) =>
        new(this, telemetry, request, default, holdsPlace: false);

    /// <summary>The actor of the session's identity.</summary>
    internal IDeviceActor ActorOf(DeviceSession session) => directory.Of(session.Id);

    /// <summary>Closes every session, at shutdown.</summary>
    public void CloseAll(CloseReason reason)
    {
        foreach (var session in sessions.All)
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

        sessions.Remove(session);
        if (await ActorOf(session).DisconnectAsync(session.Name))
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
