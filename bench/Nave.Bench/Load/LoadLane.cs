using System.Diagnostics;
using Nave.Bench.Linux;
using Nave.Bench.Mqtt;

namespace Nave.Bench.Load;

/// <summary>
/// One thread's loop over its share of the connections: opens them, keeps their windows full (or sends what is due),
/// reads acknowledgements in bulk. Allocates nothing per message.
/// </summary>
internal sealed class LoadLane : IDisposable
{
    private const int BufferBytes = 512 * 1024; // More than the largest packet that a hub sends to a device.
    private const long LongestWait = 5_000_000; // Nanoseconds: how late a phase may begin when nothing arrives.
    private const long Second = 1_000_000_000;
    private static readonly byte[] DisconnectPacket = [0xe0, 0x00];
    private static readonly byte[] PingPacket = [0xc0, 0x00];

    private readonly LoadOptions _options;
    private readonly PhaseClock _clock;
    private readonly bool _isLead;
    private readonly nint _tlsContext;
    private readonly LoadConnection[] _connections;
    private readonly LoadConnection[] _senders;
    private readonly LoadConnection[] _idle;
    private readonly int _connectParallel;
    private readonly double _nanosecondsBetweenSlots; // Of one connection, with a rate.
    private readonly byte[] _buffer = new byte[BufferBytes];
    private readonly Epoll _epoll = new();

    private LoadPhase _phase;
    private bool _isMeasuring;
    private long _lastHalfFrom;
    private bool _saidConnected;
    private bool _saidDrained;
    private int _nextToOpen;
    private int _opening;
    private long _nextDue; // Count of slots that became due on this lane.
    private long _nextIdlePing;
    private int _nextToPing;
    private long _nextCheck;
    private long _acknowledged;

    public LoadLane(LoadOptions options, PhaseClock clock, int lane, nint tlsContext, LoadConnection[] connections)
    {
        _options = options;
        _clock = clock;
        _isLead = lane is 0;
        _tlsContext = tlsContext;
        _connections = connections;
        _senders = [.. connections.Where(one => !one.IsIdle)];
        _idle = [.. connections.Where(one => one.IsIdle)];
        _connectParallel = options.Churn ? connections.Length : Math.Max(options.ConnectParallel / options.Threads, 1);
        var messagesPerSlot = options.Qos is 0 ? options.Window : 1;
        _nanosecondsBetweenSlots = options.Rate is { } rate ? messagesPerSlot * options.Connections * 1e9 / rate : 0;
        MessagesPerSlot = messagesPerSlot;
    }

    /// <summary>Of the first half of the measured interval.</summary>
    public LatencyHistogram FirstHalf { get; } = new();

    /// <summary>Of the last half.</summary>
    public LatencyHistogram LastHalf { get; } = new();

    public LatencyHistogram Connects { get; } = new();

    public int MessagesPerSlot { get; }

    /// <summary>Messages acknowledged in the measured interval (connects, with churn). Readable while running.</summary>
    public long Acknowledged => Volatile.Read(ref _acknowledged);

    public int Connected { get; private set; }

    public long ConnectErrors { get; private set; }

    public long Disconnects { get; private set; }

    public long Unanswered { get; private set; }

    public long Unexpected { get; private set; }

    public string? FirstError { get; private set; }

    public void Run(CancellationToken stopping)
    {
        _ = Libc.ProcessControl(Libc.PrSetTimerSlack, 1); // By default a timed wait of this thread ends 50 us late.
        OpenMore();
        while (_phase is not LoadPhase.Done && !stopping.IsCancellationRequested)
        {
            var ready = _epoll.Wait(WaitTime(Stopwatch.GetTimestamp()));
            for (var i = 0; i < ready; i++)
            {
                Handle(_connections[_epoll.TokenAt(i)], _epoll.EventsAt(i));
            }

            var now = Stopwatch.GetTimestamp();
            SayWhereWeAre();
            if (_isLead)
            {
                _clock.Advance(now);
            }

            FollowPhase(now);
            SendDue(now);
            PingIdle(now);
            DropOverdueConnects(now);
        }

        var unanswered = _connections.Sum(one => (long)one.SlotsInFlight) * MessagesPerSlot;
        if (unanswered > 0)
        {
            Unanswered += unanswered;
            FirstError ??= $"{unanswered} messages were not acknowledged within {_options.Drain.TotalSeconds} s of the end";
        }
    }

    public void Dispose()
    {
        foreach (var connection in _connections)
        {
            if (connection.State is ConnectionState.Open)
            {
                _ = connection.TrySend(DisconnectPacket);
            }

            connection.Close();
        }

        _epoll.Dispose();
    }

    private bool IsSending => _phase is LoadPhase.WarmUp or LoadPhase.Measuring;

    private long WaitTime(long now)
    {
        if (!IsSending || _nanosecondsBetweenSlots is 0 || _senders.Length is 0)
        {
            return LongestWait;
        }

        return Math.Clamp(DueAt(_nextDue) - now, 0, LongestWait);
    }

    private void SayWhereWeAre()
    {
        if (!_saidConnected && (_options.Churn || (_opening is 0 && _nextToOpen == _connections.Length)))
        {
            _saidConnected = true;
            _clock.LaneConnected(_options.Churn ? _connections.Length : Connected);
        }

        if (!_saidDrained && _phase is LoadPhase.Draining && !Array.Exists(_connections, one => one.SlotsInFlight > 0))
        {
            _saidDrained = true;
            _clock.LaneDrained();
        }
    }

    private void FollowPhase(long now)
    {
        var before = _phase;
        _phase = _clock.Phase;
        if (before == _phase)
        {
            return;
        }

        _isMeasuring = _phase is LoadPhase.Measuring;
        _lastHalfFrom = _clock.AtMeasureStart.At + (long)(_options.Duration.TotalNanoseconds / 2);
        if (_phase is LoadPhase.WarmUp && !_options.Churn && _nanosecondsBetweenSlots is 0)
        {
            foreach (var connection in _senders)
            {
                Fill(connection, now);
            }
        }
    }

    // --- opening ---

    private void OpenMore()
    {
        while (_opening < _connectParallel && _nextToOpen < _connections.Length)
        {
            Open(_nextToOpen++);
        }
    }

    private void Open(int token)
    {
        var connection = _connections[token];
        var source = _options.Sources.Count > 0 ? _options.Sources[connection.Number % _options.Sources.Count] : null;
        var fd = RawSocket.Connect(_options.Target, source);
        if (fd < 0)
        {
            ConnectErrors++;
            FirstError ??= $"connect: error {-fd}";
            return;
        }

        _opening++;
        connection.Attach(fd, Stopwatch.GetTimestamp());
        _epoll.Watch(fd, token, Epoll.Out);
        connection.WantsWrite = true;
    }

    private void HandleTcpConnected(LoadConnection connection, int token)
    {
        if (RawSocket.ConnectError(connection.Descriptor) is var error && error is not 0)
        {
            FailConnect(connection, $"connect: error {error}");
        }
        else if (_options.Tls)
        {
            connection.StartTls(_tlsContext, _options.Host, checkName: _options.CaFile is not null);
            ContinueHandshake(connection, token);
        }
        else
        {
            SendConnect(connection, token);
        }
    }

    private void ContinueHandshake(LoadConnection connection, int token)
    {
        switch (connection.ContinueHandshake())
        {
            case 0:
                SendConnect(connection, token);
                break;
            case OpenSsl.WantRead:
                SetInterest(connection, token, wantsWrite: false);
                break;
            case OpenSsl.WantWrite:
                SetInterest(connection, token, wantsWrite: true);
                break;
            default:
                FailConnect(connection, "the TLS handshake failed");
                break;
        }
    }

    private void SendConnect(LoadConnection connection, int token)
    {
        connection.State = ConnectionState.AwaitingConnectAnswer;
        SetInterest(connection, token, wantsWrite: false);
        if (!connection.TrySendConnect())
        {
            FailConnect(connection, "the CONNECT could not be sent");
        }
    }

    private void FailConnect(LoadConnection connection, string reason)
    {
        ConnectErrors++;
        FirstError ??= reason;
        _opening--;
        connection.Close();
        OpenMore();
    }

    private void DropOverdueConnects(long now)
    {
        if (_opening is 0 || now < _nextCheck)
        {
            return;
        }

        _nextCheck = now + Second;
        foreach (var connection in _connections)
        {
            if (connection.State is ConnectionState.TcpConnecting or ConnectionState.TlsHandshaking
                    or ConnectionState.AwaitingConnectAnswer
                && Stopwatch.GetElapsedTime(connection.OpenedAt, now) > _options.ConnectTimeout)
            {
                FailConnect(connection, $"no CONNACK within {_options.ConnectTimeout.TotalSeconds} s");
            }
        }
    }

    // --- events ---

    private void Handle(LoadConnection connection, uint events)
    {
        var token = connection.Number / _options.Threads;
        switch (connection.State)
        {
            case ConnectionState.TcpConnecting:
                HandleTcpConnected(connection, token);
                return;
            case ConnectionState.TlsHandshaking:
                ContinueHandshake(connection, token);
                return;
            case ConnectionState.Closed:
                return;
            default:
                break;
        }

        if ((events & (Epoll.In | Epoll.ErrorOrHangUp)) is not 0)
        {
            HandleReadable(connection, token);
        }

        if (connection.State is ConnectionState.Open && IsSending && !connection.IsIdle)
        {
            Fill(connection, Stopwatch.GetTimestamp());
        }
        else if (connection.HasUnsentBytes && connection.State is ConnectionState.Open)
        {
            Flush(connection, token);
        }
    }

    private void HandleReadable(LoadConnection connection, int token)
    {
        do
        {
            var count = connection.Read(_buffer);
            if (count is RawSocket.WouldBlock)
            {
                return;
            }

            if (count is RawSocket.Gone)
            {
                Lose(connection, "the server closed the connection");
                return;
            }

            var used = AckReader.Read(_buffer.AsSpan(0, count), new Sink(this, connection, token, Stopwatch.GetTimestamp()));
            if (used < 0 || count - used == BufferBytes)
            {
                Lose(connection, "the server sent a malformed packet");
                return;
            }

            connection.KeepUnread(_buffer.AsSpan(used, count - used));
        }
        while (connection.IsTls); // A TLS read brings one record; epoll knows nothing of the others.
    }

    private void Lose(LoadConnection connection, string reason)
    {
        if (connection.State is ConnectionState.AwaitingConnectAnswer)
        {
            FailConnect(connection, reason + " before CONNACK");
            return;
        }

        Disconnects++;
        FirstError ??= reason;
        Unanswered += (long)connection.SlotsInFlight * MessagesPerSlot;
        connection.Close();
    }

    private void HandleConnectAnswered(LoadConnection connection, int token, byte code, long now)
    {
        if (code is not 0)
        {
            FailConnect(connection, $"CONNACK says {code}");
            return;
        }

        connection.State = ConnectionState.Open;
        _opening--;
        if (!_options.Churn)
        {
            Connects.Record(now - connection.OpenedAt);
            Connected++;
            OpenMore();
            return;
        }

        if (_isMeasuring)
        {
            Connects.Record(now - connection.OpenedAt);
            _acknowledged++;
        }

        _ = connection.TrySend(DisconnectPacket);
        connection.Close();
        if (_phase < LoadPhase.Draining)
        {
            Open(token);
        }
    }

    private void HandleAcknowledged(long sentAt, long now)
    {
        if (sentAt is 0)
        {
            Unexpected++;
        }
        else if (_isMeasuring)
        {
            (now < _lastHalfFrom ? FirstHalf : LastHalf).Record(now - sentAt);
            _acknowledged += MessagesPerSlot;
        }
    }

    // --- sending ---

    private void Fill(LoadConnection connection, long now)
    {
        var token = connection.Number / _options.Threads;
        while (Flush(connection, token))
        {
            var claimed = _nanosecondsBetweenSlots is 0
                ? connection.ClaimSlots(int.MaxValue, now)
                : connection.ClaimDueSlots(FirstDueAt(connection), _nanosecondsBetweenSlots);
            if (claimed is 0)
            {
                return;
            }
        }
    }

    private bool Flush(LoadConnection connection, int token)
    {
        var isDone = connection.Flush(out var isGone);
        if (isGone)
        {
            Lose(connection, "the server closed the connection");
        }
        else if (isDone == connection.WantsWrite)
        {
            SetInterest(connection, token, wantsWrite: !isDone);
        }

        return isDone;
    }

    private void SendDue(long now)
    {
        if (!IsSending || _nanosecondsBetweenSlots is 0 || _senders.Length is 0)
        {
            return;
        }

        // Counted first, sent then: when the loop is late, what a connection owes goes in one system call, and the loop
        // comes back to reading after one call a connection at most.
        var first = _nextDue;
        while (DueAt(_nextDue) <= now)
        {
            var connection = _senders[_nextDue++ % _senders.Length];
            connection.SlotsDue += connection.State is ConnectionState.Open ? 1 : 0;
        }

        var touched = Math.Min(_nextDue - first, _senders.Length);
        for (var i = 0; i < touched; i++)
        {
            var connection = _senders[(first + i) % _senders.Length];
            if (connection.State is ConnectionState.Open)
            {
                Fill(connection, now);
            }
        }
    }

    // Connections take turns: with N of them, connection i sends at start + (i + k N) / rate.
    private long DueAt(long count) =>
        FirstDueAt(_senders[count % _senders.Length]) + (long)(count / _senders.Length * _nanosecondsBetweenSlots);

    private long FirstDueAt(LoadConnection connection) =>
        _clock.AtConnected.At + (long)(connection.Number * _nanosecondsBetweenSlots / _options.Connections);

    // Idle connections are pinged at half their keep-alive, spread over it.
    private void PingIdle(long now)
    {
        if (_idle.Length is 0 || _phase < LoadPhase.WarmUp || _options.KeepAliveSeconds is 0)
        {
            return;
        }

        var between = _options.KeepAliveSeconds * Second / 2 / _idle.Length;
        _nextIdlePing = _nextIdlePing is 0 ? now + between : _nextIdlePing;
        while (_nextIdlePing <= now)
        {
            _nextIdlePing += between;
            var connection = _idle[_nextToPing++ % _idle.Length];
            if (connection.State is ConnectionState.Open && !connection.TrySend(PingPacket))
            {
                Lose(connection, "a PINGREQ could not be sent");
            }
        }
    }

    private void SetInterest(LoadConnection connection, int token, bool wantsWrite)
    {
        connection.WantsWrite = wantsWrite;
        _epoll.Change(connection.Descriptor, token, wantsWrite ? Epoll.In | Epoll.Out : Epoll.In);
    }

    /// <summary>A struct, so that the reader is compiled for it and its calls are inlined.</summary>
    private readonly struct Sink(LoadLane lane, LoadConnection connection, int token, long now) : IAckSink
    {
        public void ConnectAnswered(byte code) => lane.HandleConnectAnswered(connection, token, code, now);

        public void Acknowledged(ushort packetId) => lane.HandleAcknowledged(connection.Free(packetId), now);

        public void PingAnswered()
        {
            if (lane._options.Qos is 0 && !connection.IsIdle)
            {
                lane.HandleAcknowledged(connection.FreeOldest(), now);
            }
        }

        public void Unexpected(byte packetType) => lane.Unexpected++;
    }
}
