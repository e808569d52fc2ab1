using System.IO.Pipelines;
using Amqp;
using Amqp.Framing;
using Amqp.Handler;
using Amqp.Listener;
using Amqp.Types;
using Microsoft.Extensions.Logging;
using Nave.Hub.Devices;
using Nave.Protocol;
using Nave.Protocol.Errors;
using EventId = Amqp.Handler.EventId;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// One AMQP connection from its first byte to its last: SASL, then the engine, with the deadlines, limits and idle
/// time-outs that the engine does not have. Owns the grants and the senders of the connection; links belong to the
/// handlers of <see cref="LinkTemplates"/>.
/// </summary>
internal sealed partial class AmqpConnection : IHandler
{
    /// <summary>Announced in OPEN (spec/device-amqp.md 1).</summary>
    public const uint AnnouncedIdleMilliseconds = 240_000;

    /// <summary>Sessions of a connection, minus one (spec/device-amqp.md 1).</summary>
    public const ushort ChannelMax = 8191;

    // A peer sends well within what we announced; this is when we stop believing in it.
    private static readonly TimeSpan IdleLimit = TimeSpan.FromMilliseconds(AnnouncedIdleMilliseconds * 1.25);

    // For peers that announce none (spec/device-amqp.md 1, "Heartbeats").
    private static readonly TimeSpan DefaultHeartbeat = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan AuthenticationLimit = TimeSpan.FromSeconds(HubLimits.AuthenticationTimeoutSeconds);

    // How long a peer may take to answer our CLOSE, and a transport to pass on the last bytes.
    private static readonly TimeSpan CloseLimit = TimeSpan.FromSeconds(5);

    // The same where the device itself has asked for the end (spec/sdk-gotchas.md 6).
    private static readonly TimeSpan ForcedCloseLimit = TimeSpan.FromSeconds(1);

    private readonly AmqpHead _head;
    private readonly IDuplexPipe _pipe;
    private readonly FrameGate _gate = new();
    private readonly PipeTransport _transport;
    private readonly Lock _lock = new();
    private readonly Dictionary<Session, ushort> _sessions = [];
    private readonly Dictionary<Session, Error> _endErrors = [];
    private readonly List<OutgoingLink> _stalled = [];
    private int _held;
    private Connection? _engine;
    private TimeSpan _heartbeat = DefaultHeartbeat;
    private long _unauthenticatedSince;
    private long _closingSince;
    private bool _isRemoteClosed;
    private CloseReason? _reason;

    public AmqpConnection(AmqpHead head, IDuplexPipe pipe, AmqpPeer peer)
    {
        _head = head;
        _pipe = pipe;
        Peer = peer;
        _transport = new PipeTransport(pipe, _gate, head.Time, OnProgress);
        _unauthenticatedSince = Math.Max(1, head.Time.GetTimestamp());
        Grants = new ConnectionGrants(this, head.Access, head.Time);
        Cbs = new CbsNode(this, head.Access, head.Logger);
        Devices = new ConnectionDevices(this);
    }

    /// <summary>Who is at the other end.</summary>
    public AmqpPeer Peer { get; }

    /// <summary>What the peer has proven.</summary>
    public ConnectionGrants Grants { get; }

    /// <summary>The connection's token node.</summary>
    public CbsNode Cbs { get; }

    /// <summary>The devices that the connection carries.</summary>
    public ConnectionDevices Devices { get; }

    /// <summary>Where answers of the management node go.</summary>
    public ReplyLinks ManagementReplies { get; } = new();

    /// <summary>The name of this hub that the peer uses.</summary>
    public string HostName { get; private set; } = "";

    /// <summary>The longest frame that the peer takes.</summary>
    public uint PeerMaxFrameBytes { get; private set; }

    /// <summary>What the engine reads and writes; for the container.</summary>
    public IAsyncTransport Transport => _transport;

    /// <summary>Whether senders must wait because the peer does not take what there is.</summary>
    public bool IsBusy => _transport.IsBusy;

    /// <summary>Whether the frame being processed takes its delivery back.</summary>
    public bool IsAborted => _gate.IsAborted;

    /// <summary>Runs until either side ends the connection. Never throws for anything the peer can cause.</summary>
    public async Task<CloseReason> RunAsync(CancellationToken stopping)
    {
        try
        {
            if (await AuthenticateAsync(stopping) is not { } sasl)
            {
                return _reason ?? CloseReason.NotAuthorized;
            }

            if (sasl.Grant is { } grant)
            {
                Grants.Add(grant, isConnectionWide: true);
            }
            else if (Peer.Certificate is not null && await _head.Access.KnowsCertificateAsync(Peer, stopping))
            {
                OnAuthenticated(); // Its links are judged one by one.
            }

            await using (stopping.UnsafeRegister(static self => ((AmqpConnection)self!)._transport.Close(), this))
            {
                _head.Begin(this);
                await _transport.Closed;
            }

            if (_transport.Violation is { } rule)
            {
                Log.Violation(_head.Logger, Peer.ConnectionId, rule);
                _reason ??= CloseReason.ProtocolViolation;
            }

            await _transport.DrainAsync().WaitAsync(CloseLimit, _head.Time, CancellationToken.None);
        }
        catch (Exception e) when (e is IOException or TimeoutException or InvalidOperationException)
        {
            _reason ??= CloseReason.PeerClosed; // A reset is how many peers leave.
        }
        catch (OperationCanceledException)
        {
            _reason ??= stopping.IsCancellationRequested ? CloseReason.PeerClosed : CloseReason.AuthenticationTimeout;
        }
        finally
        {
            Grants.Dispose();
            Cbs.Dispose();
        }

        await Devices.EndAsync(_reason ?? (_isRemoteClosed ? CloseReason.Disconnected : CloseReason.PeerClosed));
        Devices.Dispose();

        var reason = _reason ?? (_isRemoteClosed ? CloseReason.Disconnected : CloseReason.PeerClosed);
        Log.Ended(_head.Logger, Peer.ConnectionId, reason);
        return reason;
    }

    /// <summary>Looks at the clocks; called about once a second by the head.</summary>
    public void Sweep()
    {
        var time = _head.Time;
        if (_closingSince != 0)
        {
            if (time.GetElapsedTime(_closingSince) > (_reason is CloseReason.Forced ? ForcedCloseLimit : CloseLimit))
            {
                _transport.Close();
            }
        }
        else if (Volatile.Read(ref _unauthenticatedSince) is var since and not 0 && time.GetElapsedTime(since) > AuthenticationLimit)
        {
            Close(CloseReason.AuthenticationTimeout, LinkRequest.ToError(HubFailures.Unauthorized));
        }
        else if (time.GetElapsedTime(_transport.LastReceived) > IdleLimit)
        {
            Close(CloseReason.KeepAliveTimeout, new Error(new Symbol("amqp:resource-limit-exceeded")) { Description = "The connection was idle for too long." });
        }
        else if (time.GetElapsedTime(_transport.LastSent) >= _heartbeat)
        {
            _transport.KeepAwake();
        }
    }

    /// <summary>
    /// Ends the connection from our side: END for every session, then CLOSE (a CLOSE alone freezes Node clients for 45 s,
    /// spec/device-amqp.md 11). Returns at once.
    /// </summary>
    public void Close(CloseReason reason, Error? error)
    {
        _reason ??= reason;
        if (_engine is { } engine)
        {
            Interlocked.CompareExchange(ref _closingSince, Math.Max(1, _head.Time.GetTimestamp()), 0);
            CloseQuietly(engine, error);
        }
        else
        {
            _transport.Close();
        }
    }

    /// <summary>Ends one session with an error and leaves the others alone (spec/device-amqp.md 4.6).</summary>
    public void EndSession(Session session, Error error)
    {
        lock (_lock)
        {
            _endErrors[session] = error;
        }

        CloseQuietly(session, error);
    }

    /// <summary>Closes one of the engine's objects without waiting for the peer, whatever state it is in.</summary>
    public static void CloseQuietly(AmqpObject engineObject, Error? error)
    {
        try
        {
            engineObject.Close(TimeSpan.Zero, error);
        }
        catch (Exception e) when (IsEngineClosed(e))
        {
            // It was closing already.
        }
    }

    /// <summary>Whether the engine says in one of its ways that a link, session or connection has ended.</summary>
    public static bool IsEngineClosed(Exception exception) =>
        exception is AmqpException or ObjectDisposedException or IOException or InvalidOperationException;

    /// <summary>The peer has proven something: the limits of a stranger no longer apply.</summary>
    public void OnAuthenticated()
    {
        Volatile.Write(ref _unauthenticatedSince, 0);
        _gate.OnAuthenticated();
    }

    /// <summary>The last grant is gone: as long as for a stranger, then the connection ends.</summary>
    public void OnUnauthenticated() => Volatile.Write(ref _unauthenticatedSince, Math.Max(1, _head.Time.GetTimestamp()));

    /// <summary>The link waits for room on the connection or in its session's window; it looks again after this call.</summary>
    public void NotifyOnProgress(OutgoingLink link)
    {
        lock (_lock)
        {
            if (!_stalled.Contains(link))
            {
                _stalled.Add(link);
            }
        }
    }

    /// <summary>A message stays in the engine until its session's window opens, or another thread is done writing.</summary>
    public void OnHeld() => Interlocked.Increment(ref _held);

    /// <summary>A held message has gone.</summary>
    public void OnReleased() => Interlocked.Decrement(ref _held);

    /// <summary>
    /// Nothing more is read until the work is done: an attach that must look something up, a message that meets a full log.
    /// Called by the read loop only; the work must not need anything that the peer is still to send.
    /// </summary>
    public void PauseReading(Task work) => _transport.PauseUntil(work);

    /// <summary>After each send: it may have written what another link's sender left to it.</summary>
    public void OnSent()
    {
        if (Volatile.Read(ref _held) > 0)
        {
            OnProgress();
        }
    }

    /// <summary>So many bytes are on their way to the transport through the engine's queue.</summary>
    public void OnQueued(int bytes) => _transport.OnQueued(bytes);

    /// <summary>Lets a batch of messages leave in one flush.</summary>
    public void Cork() => _transport.Cork();

    /// <summary>Ends the batch.</summary>
    public void Uncork() => _transport.Uncork();

    /// <summary>An ATTACH; called by the engine's read loop, through the container.</summary>
    public void Attach(ListenerSession session, ListenerLink link, Attach attach)
    {
        var request = new LinkRequest(this, session, link, attach);
        try
        {
            _head.Templates.Attach(request);
        }
        catch (Exception e) when (e is not AmqpException)
        {
            Log.AttachFailed(_head.Logger, e, Peer.ConnectionId);
            request.Refuse(HubFailures.ServerError);
        }
    }

    bool IHandler.CanHandle(EventId id) => id is EventId.ConnectionLocalOpen or EventId.ConnectionRemoteOpen
        or EventId.ConnectionLocalClose or EventId.ConnectionRemoteClose
        or EventId.SessionLocalOpen or EventId.SessionLocalClose or EventId.SessionRemoteClose or EventId.SendDelivery;

    void IHandler.Handle(Event protocolEvent)
    {
        switch (protocolEvent.Id)
        {
            case EventId.ConnectionLocalOpen:
                OnLocalOpen(protocolEvent.Connection, (Open)protocolEvent.Context);
                break;
            case EventId.ConnectionRemoteOpen:
                OnRemoteOpen((Open)protocolEvent.Context);
                break;
            case EventId.ConnectionLocalClose:
                OnLocalClose();
                break;
            case EventId.ConnectionRemoteClose:
                _isRemoteClosed = true;
                break;
            case EventId.SessionLocalOpen:
                OnSessionOpen(protocolEvent.Session, (Begin)protocolEvent.Context);
                break;
            case EventId.SessionLocalClose:
                OnSessionClose(protocolEvent.Session, (End)protocolEvent.Context);
                break;
            case EventId.SendDelivery:
                OutgoingLink.Tag((IDelivery)protocolEvent.Context);
                break;
            case EventId.SessionRemoteClose:
                ForgetSession(protocolEvent.Session);
                break;
            default:
                break;
        }
    }

    private async ValueTask<SaslResult?> AuthenticateAsync(CancellationToken stopping)
    {
        using var deadline = new CancellationTokenSource(AuthenticationLimit, _head.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, stopping);
        return await SaslExchange.RunAsync(_pipe, (credential, token) => _head.Sasl.JudgeAsync(credential, Peer, token), either.Token);
    }

    private void OnLocalOpen(Connection engine, Open open)
    {
        _engine = engine;
        open.ResetField(1); // hostname: a server has none to ask for
        open.MaxFrameSize = AmqpFrame.MaxBytes;
        open.ChannelMax = ChannelMax;
        open.IdleTimeOut = AnnouncedIdleMilliseconds;
    }

    private void OnRemoteOpen(Open open)
    {
        // AMQP 1.0 part 2.7.1: no peer may announce less; the engine would compute a negative payload.
        if (open.MaxFrameSize < 512)
        {
            throw new AmqpException(new Symbol("amqp:invalid-field"), "max-frame-size is below 512.");
        }

        if (open.IdleTimeOut is > 0 and < 5000)
        {
            throw new AmqpException(new Symbol("amqp:invalid-field"), "idle-time-out is below 5 seconds.");
        }

        PeerMaxFrameBytes = open.MaxFrameSize;
        var host = StripPort(open.HostName);
        var known = _head.Options.HostNames;
        HostName = known.FirstOrDefault(name => string.Equals(name, host, StringComparison.OrdinalIgnoreCase)) ?? "";
        if (HostName.Length == 0)
        {
            if (known.Count > 0 && !string.IsNullOrEmpty(host))
            {
                throw new AmqpException(LinkRequest.ToError(HubFailures.HubNotFound));
            }

            HostName = known.Count > 0 ? known[0] : host;
        }

        if (open.IdleTimeOut > 0)
        {
            _heartbeat = TimeSpan.FromMilliseconds(open.IdleTimeOut / 2) - AmqpHead.SweepInterval;
            open.IdleTimeOut = 0; // The engine's own timer counts the whole time, and by the wall clock.
        }
    }

    private void OnLocalClose()
    {
        if (_isRemoteClosed)
        {
            return;
        }

        Interlocked.CompareExchange(ref _closingSince, Math.Max(1, _head.Time.GetTimestamp()), 0);
        Session[] open;
        lock (_lock)
        {
            open = [.. _sessions.Keys];
        }

        foreach (var session in open)
        {
            CloseQuietly(session, new Error(new Symbol(HubFailures.ServerError.AmqpCondition)));
        }

        _gate.OnLocalClose();
    }

    private void OnSessionOpen(Session session, Begin begin)
    {
        lock (_lock)
        {
            _sessions[session] = begin.RemoteChannel;
        }
    }

    private void OnSessionClose(Session session, End end)
    {
        ushort channel;
        lock (_lock)
        {
            if (!_sessions.Remove(session, out channel))
            {
                return; // The answer to the peer's END.
            }

            // The engine sends END without an error; Node clients take amqp:internal-error for "try again".
            end.Error = _endErrors.Remove(session, out var error)
                ? error
                : new Error(new Symbol(_reason is CloseReason.AuthenticationTimeout or CloseReason.TokenExpired or CloseReason.CredentialRevoked
                    ? HubFailures.Unauthorized.AmqpCondition
                    : HubFailures.ServerError.AmqpCondition));
        }

        _gate.OnLocalEnd(channel);
    }

    private void ForgetSession(Session session)
    {
        lock (_lock)
        {
            _sessions.Remove(session);
            _endErrors.Remove(session);
        }
    }

    private void OnProgress()
    {
        OutgoingLink[] stalled;
        lock (_lock)
        {
            if (_stalled.Count == 0)
            {
                return;
            }

            stalled = [.. _stalled];
            _stalled.Clear();
        }

        foreach (var link in stalled)
        {
            link.Wake();
        }
    }

    private static string StripPort(string? host)
    {
        if (string.IsNullOrEmpty(host))
        {
            return "";
        }

        var colon = host.LastIndexOf(':');
        return colon > 0 && host.IndexOf(':') == colon ? host[..colon] : host;
    }

    private static partial class Log
    {
        [LoggerMessage(2200, LogLevel.Debug, "AMQP connection {ConnectionId} ended: {Reason}")]
        public static partial void Ended(ILogger logger, string connectionId, CloseReason reason);

        [LoggerMessage(2201, LogLevel.Debug, "AMQP connection {ConnectionId} broke a rule: {Rule}")]
        public static partial void Violation(ILogger logger, string connectionId, string rule);

        [LoggerMessage(2202, LogLevel.Error, "A link of AMQP connection {ConnectionId} could not be attached")]
        public static partial void AttachFailed(ILogger logger, Exception exception, string connectionId);
    }
}
