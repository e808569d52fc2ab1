using System.Net;
using Microsoft.Extensions.Logging;
using Nave.Hub.Access;
using Nave.Hub.Faults;
using Nave.Hub.Heartbeats;
using Nave.Hub.Methods;
using Nave.Hub.Quotas;
using Nave.Hub.Telemetry;
using Nave.Hub.Twins;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

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
    TwinStore twins,
    IMethodRoute methods,
    SessionTable sessions,
    NodeIncarnation node,
    FaultInjection faults,
    HeartbeatIntake heartbeats,
    SessionLimits limits,
    TimeProvider time,
    ILogger<DeviceSessions> logger)
{
    /// <summary>Raised when a session has taken its place. Handlers return at once and do not throw.</summary>
    public event Action<DeviceSession>? Opened;

    /// <summary>Raised when a session that had a place is over, likewise.</summary>
    public event Action<DeviceSession, CloseReason>? Ended;

    /// <summary>Raised when a message of a device was refused: why, its size, whether it came with others. Likewise.</summary>
    public event Action<DeviceSession, HubFailure, long?, bool>? TelemetryRefused;

    /// <summary>Sessions that hold a connection's place now.</summary>
    public int Count => sessions.Count;

    /// <summary>
    /// Whether an identity that has been admitted may connect now; null when it may. Asked before <see cref="OpenAsync"/>:
    /// who connects does not wait for a turn (spec/device-mqtt.md 10).
    /// </summary>
    public HubFailure? TryConnect(IdentityId id, IPAddress? address) =>
        limits.Devices.TryConnect(id, address) ?? limits.Hub.Take(Metered.Connects, id).Failure;

    /// <summary>
    /// Opens a session that takes the connection's place; an older one of the same identity is closed as taken over.
    /// </summary>
    /// <returns>The session, or why the grant no longer stands.</returns>
    public async ValueTask<(DeviceSession? Session, CloseReason? Refused)> OpenAsync(SessionRequest request, CancellationToken stopping)
    {
        var since = time.GetTimestamp();
        var identity = request.Grant.Identity!.Value;
        var number = sessions.NextNumber();
        var takeover = await directory.Of(identity).ConnectAsync(node.Id, number, presence.LastEpoch(identity));
        var session = new DeviceSession(this, telemetry, faults, heartbeats, limits, request, takeover.Current, holdsPlace: true);
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
            await KeepModelAsync(session, stopping);
        }
        finally
        {
            if (refused is { } reason)
            {
                await session.EndAsync(reason);
            }
        }

        if (refused is null)
        {
            session.IsOpen(since, time.GetTimestamp(), time);
            Opened?.Invoke(session);
        }

        return refused is null ? (session, null) : (null, refused);
    }

    /// <summary>A session for one HTTP request: no place, no presence, no watch.</summary>
    public DeviceSession OpenForRequest(SessionRequest request) =>
        new(this, telemetry, faults, heartbeats, limits, request, default, holdsPlace: false);

    /// <summary>Twins, for reads: they need no turn of the actor.</summary>
    internal TwinStore Twins => twins;

    /// <summary>To whom outcomes of direct methods go.</summary>
    internal IMethodRoute Methods => methods;

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

    internal void TellRefused(DeviceSession session, HubFailure failure, long? bytes, bool isBatch) =>
        TelemetryRefused?.Invoke(session, failure, bytes, isBatch);

    internal async ValueTask EndedAsync(DeviceSession session, CloseReason reason)
    {
        if (!session.HoldsPlace)
        {
            return;
        }

        sessions.Remove(session);
        Ended?.Invoke(session, reason);
        if (await ActorOf(session).DisconnectAsync(session.Name))
        {
            presence.Disconnected(session.Id, session.Name, reason);
        }
    }

    // spec/device-mqtt.md 2.1: the model that the device announces is kept with its twin. Nearly always it is there already.
    private async ValueTask KeepModelAsync(DeviceSession session, CancellationToken stopping)
    {
        if (session.ModelId is not { } model)
        {
            return;
        }

        try
        {
            await twins.KeepModelAsync(session.Id, session.Grant.GenerationId, model, stopping);
        }
        catch (IOException e)
        {
            Log.ModelNotKept(logger, session.Id.ToString(), e.Message); // The next connect says it again.
        }
    }

    private static partial class Log
    {
        [LoggerMessage(5201, LogLevel.Debug, "{DeviceId}: the model that it announced could not be kept: {Reason}")]
        public static partial void ModelNotKept(ILogger logger, string deviceId, string reason);


        [LoggerMessage(3001, LogLevel.Debug, "{DeviceId}: a new {NewProtocol} connection takes the place of the one over {OldProtocol}")]
        public static partial void TakenOver(ILogger logger, string deviceId, DeviceProtocol oldProtocol, DeviceProtocol newProtocol);
    }
}
