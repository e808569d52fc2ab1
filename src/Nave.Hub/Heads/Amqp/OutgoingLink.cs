using Amqp;
using Amqp.Framing;
using Amqp.Handler;
using Amqp.Listener;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// A link on which the hub sends. Owns the link's credit, exactly: no delivery without credit, a drain is answered, a
/// flow that repeats itself takes nothing away (spec/events-endpoint.md, checklist 29).
/// </summary>
/// <remarks>
/// Order of locks: this link's -> the engine's -> the transport's. The engine reports dispositions and closes under its
/// own locks: those callbacks take none of ours.
/// </remarks>
internal abstract class OutgoingLink(LinkRequest request) : LinkEndpoint
{
    // What a receiver may have in hand without settling it; the engine keeps a delivery's bytes until then.
    private const int MaxUnsettled = 16 * 1024;
    private const long MaxUnsettledBytes = 8 * 1024 * 1024;

    // A buffer that grew beyond this is not kept for the next message.
    private const int MaxKeptBuffer = 64 * 1024;

    private readonly Lock _lock = new();
    private readonly AsyncSignal _signal = new();
    private ByteBuffer _buffer = new(1024, autoGrow: true);
    private ByteBuffer? _held;
    private int _credit;
    private long _sent;
    private int _unsettled;
    private long _unsettledBytes;
    private int _isCaughtUp;
    private volatile bool _isClosed;

    /// <summary>The engine's link.</summary>
    public ListenerLink Link { get; } = request.Link;

    /// <summary>The session that the link is in.</summary>
    public Session Session { get; } = request.Session;

    /// <summary>The connection that the link is on.</summary>
    public AmqpConnection Connection { get; } = request.Connection;

    /// <summary>Whether the link is gone; nothing can be sent any more.</summary>
    public bool IsClosed => _isClosed;

    /// <summary>Whether the receiver wants what there is, and then an end to its credit.</summary>
    public bool IsDraining => Link.IsDraining;

    /// <summary>How many messages may be sent now, all bounds considered.</summary>
    public int Demand
    {
        get
        {
            if (_isClosed || Volatile.Read(ref _unsettled) >= MaxUnsettled || Interlocked.Read(ref _unsettledBytes) >= MaxUnsettledBytes)
            {
                return 0;
            }

            if (!HasRoom())
            {
                Connection.NotifyOnProgress(this);
                if (!HasRoom())
                {
                    return 0;
                }
            }

            return Volatile.Read(ref _credit);
        }
    }

    /// <summary>Completes when <see cref="Demand"/>, <see cref="IsDraining"/> or <see cref="IsClosed"/> may have changed.</summary>
    public ValueTask WaitForDemandAsync(CancellationToken stopping) => _signal.WaitAsync(stopping);

    /// <summary>Makes whoever waits look again.</summary>
    public void Wake() => _signal.Set();

    /// <summary>Closes the link with an error. Returns at once; never throws.</summary>
    public void Detach(Error error)
    {
        _isClosed = true;
        Wake();
        AmqpConnection.CloseQuietly(Link, error);
    }

    public override void OnFlow(FlowContext flowContext)
    {
        lock (_lock)
        {
            _credit = Math.Max(0, _credit + flowContext.Messages);
            if (flowContext.Messages <= 0)
            {
                LinkInternals.Credit(Link) = (uint)_credit;
            }

            // Without credit, or with nothing to send, a drain is over as soon as it is asked for.
            if (Link.IsDraining && (_credit == 0 || Volatile.Read(ref _isCaughtUp) == 1))
            {
                CompleteDrain();
            }
        }

        OnCredit();
        Wake();
    }

    public override void OnDisposition(DispositionContext dispositionContext)
    {
        var message = (SentMessage)dispositionContext.Message;
        if (message.Bytes > 0)
        {
            Interlocked.Add(ref _unsettledBytes, -message.Bytes);
            message.Bytes = 0;
            Interlocked.Decrement(ref _unsettled);
            Wake();
        }

        OnOutcome(dispositionContext, message.Tag);
    }

    /// <summary>Gives a delivery the tag that its sender chose; the engine counts otherwise.</summary>
    public static void Tag(IDelivery delivery)
    {
        if (delivery.Message is SentMessage { Tag: { } tag })
        {
            delivery.Tag = tag;
        }
    }

    public override void OnLinkClosed(ListenerLink link, Error error)
    {
        _isClosed = true;
        Wake();
        OnClosed();
    }

    /// <summary>Whether messages go out whatever else waits on the connection: replies, of which there are few.</summary>
    protected virtual bool IsUrgent => false;

    /// <summary>
    /// What the receiver says of a delivery. Called on the read loop without locks, and under the engine's when the link
    /// closes, as released.
    /// </summary>
    protected virtual void OnOutcome(DispositionContext outcome, byte[]? tag)
    {
        if (!outcome.Settled && !_isClosed)
        {
            // A receiver that settles second waits for our word.
            Link.DisposeMessage(outcome.Message, new Accepted(), settled: true);
        }
    }

    /// <summary>There may be credit. Called without locks, on the connection's read loop.</summary>
    protected virtual void OnCredit()
    {
    }

    /// <summary>The link is gone. May be called under the engine's locks and more than once: only mark and schedule.</summary>
    protected virtual void OnClosed()
    {
    }

    /// <summary>Sends one message if there is credit.</summary>
    /// <param name="write">Writes the encoded message.</param>
    /// <param name="state">Handed to <paramref name="write"/>.</param>
    /// <param name="tag">The delivery's tag; null for one of the engine's.</param>
    /// <returns>False when it was not sent: no credit, or the link is gone.</returns>
    protected bool TrySend<TState>(Action<TState, ByteBufferWriter> write, TState state, byte[]? tag = null)
    {
        lock (_lock)
        {
            if (_isClosed || _credit <= 0 || !(IsUrgent || HasRoom()))
            {
                return false;
            }

            // An unsettled delivery keeps its buffer in the engine, which may look into it again: each has its own.
            var isSettled = Link.SettleOnSend;
            var buffer = isSettled ? _buffer : new ByteBuffer(1024, autoGrow: true);
            buffer.Reset();
            write(state, new ByteBufferWriter(buffer));
            var length = buffer.Length;
            if (!isSettled)
            {
                Interlocked.Increment(ref _unsettled);
                Interlocked.Add(ref _unsettledBytes, length);
            }

            if (!EngineSession.TrySend(Link, new SentMessage { Bytes = isSettled ? 0 : length, Tag = tag }, buffer))
            {
                _isClosed = true;
                return false;
            }

            _credit--;
            _sent++;
            AfterSend(buffer);
        }

        Connection.OnSent();
        return true;
    }

    /// <summary>An empty batch for <see cref="SendSettled"/>.</summary>
    protected TransferBatch NewBatch() => new(EngineSession.Channel(Session), Link.Handle, Connection.PeerMaxFrameBytes, Connection.OnQueued);

    /// <summary>How many of so many messages <see cref="SendSettled"/> would send now, so that no more are encoded.</summary>
    protected int CountSendable(int wanted)
    {
        lock (_lock)
        {
            return _isClosed || !HasRoom() ? 0 : (int)Math.Min((uint)Math.Min(wanted, _credit), EngineSession.Window(Session));
        }
    }

    /// <summary>Sends messages that are settled by being sent, as far as credit and the session's window go.</summary>
    /// <returns>How many; the rest of the batch is forgotten. None may mean that <see cref="TrySend"/> can send one.</returns>
    protected int SendSettled(TransferBatch batch)
    {
        int sent;
        lock (_lock)
        {
            if (_isClosed || _credit <= 0 || !HasRoom())
            {
                return 0;
            }

            sent = EngineSession.Send(Link, batch, Math.Min(_credit, batch.Count));
            if (sent == EngineSession.Ended)
            {
                _isClosed = true;
                return 0;
            }

            _credit -= sent;
            _sent += sent;
        }

        Connection.OnSent();
        return sent;
    }

    /// <summary>What has been sent and may be sent on the link, in total since its begin.</summary>
    protected long CountAllowed()
    {
        var demand = Demand; // Outside the lock: it may ask the connection to be told.
        lock (_lock)
        {
            return _sent + Math.Min(demand, _credit);
        }
    }

    /// <summary>Nothing is left to send without waiting: a drain is complete, now or as soon as it comes.</summary>
    protected void MarkCaughtUp()
    {
        Volatile.Write(ref _isCaughtUp, 1);
        if (Link.IsDraining)
        {
            lock (_lock)
            {
                if (Link.IsDraining)
                {
                    CompleteDrain();
                }
            }
        }
    }

    /// <summary>There is something to send again.</summary>
    protected void MarkReading() => Volatile.Write(ref _isCaughtUp, 0);

    // Under the lock.
    private void AfterSend(ByteBuffer buffer)
    {
        if (buffer.Length > 0)
        {
            // The session's window is shut: the engine keeps the message, and we wait until it has gone.
            _buffer = new ByteBuffer(1024, autoGrow: true);
            if (!IsUrgent)
            {
                _held = buffer;
                Connection.OnHeld();
            }
        }
        else if (_buffer.Capacity > MaxKeptBuffer)
        {
            _buffer = new ByteBuffer(1024, autoGrow: true);
        }
    }

    private bool HasRoom()
    {
        if (_held is { } held)
        {
            if (held.Length > 0)
            {
                return false;
            }

            if (Interlocked.CompareExchange(ref _held, null, held) == held) // Asked for without the lock too.
            {
                Connection.OnReleased();
            }
        }

        return !Connection.IsBusy;
    }

    // Under the lock.
    private void CompleteDrain()
    {
        LinkInternals.Credit(Link) = (uint)_credit;
        _credit = 0;
        try
        {
            Link.CompleteDrain();

            // The library's flow has no drain flag, and some clients take only one with it for the end of a drain.
            Link.SetCredit(0, drain: true);
        }
        catch (Exception e) when (AmqpConnection.IsEngineClosed(e))
        {
            _isClosed = true;
        }
    }

    /// <summary>A message under way. The engine wants one object for each.</summary>
    private sealed class SentMessage : Message
    {
        /// <summary>What it keeps in memory until settled.</summary>
        public int Bytes { get; set; }

        /// <summary>What names the delivery to the receiver; null for a count of the engine's.</summary>
        public byte[]? Tag { get; init; }
    }
}
