using Amqp;
using Amqp.Framing;
using Amqp.Types;
using Microsoft.Extensions.Logging;
using Nave.Hub.Commands;
using Nave.Hub.Devices;
using Nave.Hub.Faults;
using Nave.Hub.Methods;
using Nave.Hub.Twins;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// One device or module on one connection: its session, and the links that live on it. Ends with its last link, with
/// the connection, or when the hub says so; then its links are detached, and nothing else of the connection is touched.
/// </summary>
internal sealed partial class ConnectedDevice : IDeviceChannel
{
    private readonly ConnectionDevices _owner;
    private readonly ILogger _logger;

    // Leaf lock: held while a link joins or leaves, never while one is closed.
    private readonly Lock _lock = new();
    private readonly List<IDeviceLink> _links = [];
    private CloseReason? _reason;

    // What waits for the device's own limits at the most before the connection reads no more.
    private const long MaxParkedBytes = 4 * TelemetryLink.MaxMessageBytes;

    private long _parkedBytes;
    private volatile CommandsLink? _commands;

    public ConnectedDevice(IdentityId id, ConnectionDevices owner, TimeProvider time, ILogger logger)
    {
        Id = id;
        _owner = owner;
        _logger = logger;
        Methods = new MethodLinks(this, logger);
        Twin = new TwinLinks(this, time, logger);
    }

    /// <summary>Who it is.</summary>
    public IdentityId Id { get; }

    /// <summary>Its links for direct methods.</summary>
    public MethodLinks Methods { get; }

    /// <summary>Its links for its twin.</summary>
    public TwinLinks Twin { get; }

    /// <summary>The connection's name in logs.</summary>
    public string ConnectionId => _owner.Connection.Peer.ConnectionId;

    /// <summary>Cancelled when the connection has ended.</summary>
    public CancellationToken ConnectionClosed => _owner.Closed;

    /// <summary>The session; set before the first link joins.</summary>
    public DeviceSession? Session { get; private set; }

    /// <summary>Completes when the session has given its place back.</summary>
    public Task Ended { get; private set; } = Task.CompletedTask;

    /// <summary>The end of the commands link before the one that is attaching: their grants must not mix.</summary>
    public Task CommandsTail { get; set; } = Task.CompletedTask;

    /// <summary>
    /// The last of its telemetry that waits for the device's own limits; what comes next waits behind it, so that order is
    /// kept. The read loop's.
    /// </summary>
    public Task Sending { get; private set; } = Task.CompletedTask;

    /// <summary>Why the device is over, in the protocol's words.</summary>
    public Error Error => ToError(_reason ?? CloseReason.Disconnected);

    /// <summary>What an end is called on the wire (spec/device-amqp.md 3.4, 4.5, 11).</summary>
    public static HubFailure ToFailure(CloseReason reason) => reason switch
    {
        CloseReason.TakenOver => HubFailures.TakenOver,
        CloseReason.IdentityDeleted => HubFailures.DeviceNotFound,
        CloseReason.TokenExpired or CloseReason.IdentityDisabled or CloseReason.CredentialRevoked or CloseReason.NotAuthorized
            => HubFailures.Unauthorized,
        CloseReason.Throttled => HubFailures.Throttled,
        _ => HubFailures.Unavailable,
    };

    /// <summary>The session is open.</summary>
    /// <returns>Null, or why it has ended already.</returns>
    public async ValueTask<CloseReason?> OpenedAsync(DeviceSession session)
    {
        CloseReason? ended;
        lock (_lock)
        {
            Session = session;
            ended = _reason ??= _owner.TryAdd(this) ? null : CloseReason.PeerClosed;
        }

        if (ended is { } reason)
        {
            _owner.Remove(this);
            await session.EndAsync(reason);
        }

        return ended;
    }

    /// <summary>Telemetry waits, behind <see cref="Sending"/> and as it from now on. Called by the read loop only.</summary>
    /// <param name="sending">Completes when it is in the log, or refused.</param>
    /// <param name="bytes">What is kept of it meanwhile.</param>
    /// <returns>True when too much waits.</returns>
    public bool Park(Task sending, long bytes)
    {
        var parked = Interlocked.Add(ref _parkedBytes, bytes);
        Sending = UnparkAsync(sending, bytes);
        return parked > MaxParkedBytes;
    }

    private async Task UnparkAsync(Task sending, long bytes)
    {
        try
        {
            await sending;
        }
        finally
        {
            Interlocked.Add(ref _parkedBytes, -bytes);
        }
    }

    /// <summary>A link lives on this device from now on; false when it is over.</summary>
    public bool TryJoin(IDeviceLink link)
    {
        lock (_lock)
        {
            if (_reason is not null)
            {
                return false;
            }

            _links.Add(link);
            return true;
        }
    }

    /// <summary>The link is gone; with the last one the session ends. Takes leaf locks only.</summary>
    public void Leave(IDeviceLink link)
    {
        lock (_lock)
        {
            if (!_links.Remove(link) || _links.Count > 0 || _reason is not null)
            {
                return;
            }

            _reason = CloseReason.Disconnected;
        }

        _owner.Remove(this);
        Ended = EndAsync(CloseReason.Disconnected);
    }

    /// <summary>The link that commands go to. One per identity: the older is detached as stolen (spec/device-amqp.md 4.5).</summary>
    public CommandsLink? ExchangeCommands(CommandsLink? link) => Interlocked.Exchange(ref _commands, link);

    /// <summary>Ends the link's place if it still has it.</summary>
    public void ReleaseCommands(CommandsLink link) => Interlocked.CompareExchange(ref _commands, null, link);

    /// <inheritdoc/>
    public void Deliver(CommandDelivery delivery)
    {
        if (_commands is not { } link || !link.TryDeliver(delivery))
        {
            // It never left: back to the queue, uncounted. Not awaited: the actor's turn is what calls us.
            _ = ReturnAsync(delivery.LockToken);
        }
    }

    /// <inheritdoc/>
    public void InvokeMethod(MethodInvocation invocation) => Methods.Invoke(invocation);

    /// <inheritdoc/>
    public void DesiredChanged(DesiredChange change) => Twin.DesiredChanged(change);

    /// <inheritdoc/>
    public void Close(CloseReason reason)
    {
        IDeviceLink[] links;
        lock (_lock)
        {
            if (_reason is not null)
            {
                return;
            }

            _reason = reason;
            links = [.. _links];
            _links.Clear();
        }

        _owner.Remove(this);
        foreach (var link in links)
        {
            link.Detach(ToError(reason));
        }

        Ended = EndAsync(reason);
    }

    /// <inheritdoc/>
    public void Inject(FaultKind fault, string reason)
    {
        var connection = _owner.Connection;
        switch (fault)
        {
            case FaultKind.KillTcp:
                connection.Peer.Reset.Invoke();
                break;
            case FaultKind.KillAmqpConnection:
                connection.Close(CloseReason.Forced, new Error(new Symbol("amqp:connection:forced")) { Description = reason });
                break;
            case FaultKind.ShutDownAmqp:
                // No DETACH first, as the service is said to do: after one a Node client freezes for 45 s. END ends the links too.
                connection.Close(CloseReason.Forced, error: null);
                break;
            case FaultKind.KillAmqpSession:
                var error = new Error(new Symbol(HubFailures.ServerError.AmqpCondition)) { Description = reason };
                foreach (var session in Links().Select(link => link.Session).Distinct().ToList())
                {
                    connection.EndSession(session, error);
                }

                break;
            case FaultKind.KillAmqpCBSLinkReq or FaultKind.KillAmqpCBSLinkResp:
                connection.Cbs.Detach(isRequests: fault is FaultKind.KillAmqpCBSLinkReq, Forced(reason));
                break;
            default:
                foreach (var link in Links().Where(link => link.EndsWith(fault)))
                {
                    link.Detach(Forced(reason));
                }

                break;
        }
    }

    private static Error Forced(string reason) => new(new Symbol("amqp:link:detach-forced")) { Description = reason };

    private IDeviceLink[] Links()
    {
        lock (_lock)
        {
            return [.. _links];
        }
    }

    private static Error ToError(CloseReason reason) => reason is CloseReason.HubStopping or CloseReason.Forced
        ? new Error(new Symbol("amqp:link:detach-forced")) { Description = "The hub recycles the link." }
        : LinkRequest.ToError(ToFailure(reason));

    private async Task EndAsync(CloseReason reason)
    {
        await Task.Yield(); // The engine may hold its locks.
        try
        {
            // What the device said before it left counts: of its commands, and to its twin.
            Twin.Complete();
            await CommandsTail;
            await Twin.Answering;
            if (Session is { } session)
            {
                await session.EndAsync(reason);
            }
        }
        catch (Exception e)
        {
            Log.EndFailed(_logger, e, Id.ToString());
        }
    }

    private async Task ReturnAsync(Guid lockToken)
    {
        try
        {
            await Session!.SettleCommandAsync(lockToken, Settlement.Release);
        }
        catch (Exception e)
        {
            Log.ReturnFailed(_logger, e, Id.ToString());
        }
    }

    private static partial class Log
    {
        [LoggerMessage(2232, LogLevel.Error, "The AMQP session of {DeviceId} did not end as it should")]
        public static partial void EndFailed(ILogger logger, Exception exception, string deviceId);

        [LoggerMessage(2233, LogLevel.Warning, "A command for {DeviceId} stays locked until its time is over: it could not be returned")]
        public static partial void ReturnFailed(ILogger logger, Exception exception, string deviceId);
    }
}

/// <summary>A link that lives on a <see cref="ConnectedDevice"/>. Compared by reference.</summary>
internal interface IDeviceLink
{
    /// <summary>Closes the link. Must return at once and never throw.</summary>
    void Detach(Error error);

    /// <summary>The session that the link is on; the peer decides whose others are on it too.</summary>
    Session Session { get; }

    /// <summary>Whether the injected fault is about this kind of link.</summary>
    bool EndsWith(FaultKind fault);
}
