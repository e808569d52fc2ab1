using System.Diagnostics.CodeAnalysis;
using Amqp;
using Amqp.Framing;
using Nave.Protocol.Errors;
using Nave.Protocol.Messages;

namespace Nave.PskGateway.Upstream;

/// <summary>
/// The link on which one device sends telemetry (spec/device-amqp.md 5). Owns what has been sent and not answered: each
/// message ends once, accepted by the hub or failed, also when the link goes. The engine's own word is not enough: a
/// message that it was writing when the connection broke would never end.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "They hold nothing to dispose of: no wait handle, no timer. Late outcomes still release them.")]
internal sealed class TelemetrySender
{
    private readonly UpstreamContext _context;
    private readonly SemaphoreSlim _turn = new(1);
    private readonly SemaphoreSlim _room;
    private readonly CancellationTokenSource _closing = new();
    private readonly LinkState _state;
    private readonly Session _session;
    private readonly string _address;
    private SenderLink? _link;

    // Order: never held while something is completed or the engine is called.
    private readonly Lock _lock = new();
    private readonly HashSet<Pending> _pending = [];
    private HubFailure? _closed;
    private long _movedAt;

    /// <summary>Makes it; <see cref="BeginAsync"/> attaches.</summary>
    public TelemetrySender(Session session, string path, UpstreamContext context, Action<HubFailure> onLost)
    {
        _context = context;
        _room = new SemaphoreSlim(context.Options.PendingSendsPerDevice);
        _state = new LinkState(onLost);
        _session = session;
        _address = path + "/messages/events";
    }

    /// <summary>Attaches the link; completes when the hub has attached or refused it.</summary>
    /// <exception cref="AmqpException">The session is over.</exception>
    public Task<HubFailure?> BeginAsync()
    {
        _link = new SenderLink(
            _session, "TelemetrySenderLink", new Attach { Source = new Source(), Target = new Target { Address = _address } }, _state.OnAttached);
        _state.Follow(_link);
        return _state.Attached;
    }

    /// <summary>Whether messages wait for their outcome and none has come for as long as a hub may take.</summary>
    public bool HasStalled
    {
        get
        {
            lock (_lock)
            {
                return _pending.Count > 0 && _context.Time.GetElapsedTime(_movedAt) >= _context.Options.SendTimeout;
            }
        }
    }

    /// <summary>Sends a message when there is room for it; messages leave in the order of the calls. Null: accepted.</summary>
    public async ValueTask<HubFailure?> SendAsync(MessageProperties properties, ReadOnlyMemory<byte> body, CancellationToken stopping)
    {
        var pending = new Pending(this, HubMessages.SizeOf(properties, body));
        if (await EnterAsync(pending.Size, stopping) is { } failure)
        {
            return failure;
        }

        // It has the turn: the next message waits until this one is in the engine.
        var isAdded = TryAdd(pending);
        if (isAdded)
        {
            try
            {
                _link!.Send(HubMessages.ToTelemetry(properties, body), OnOutcome, pending); // Begun before the device is anybody's.
            }
            catch (Exception e) when (HubErrors.IsClosed(e))
            {
                End(pending, HubErrors.Lost(e.Message));
            }
        }
        else
        {
            pending.End(_closed);
        }

        _turn.Release();
        return await OutcomeAsync(pending, stopping);
    }

    /// <summary>Everything that has no outcome is lost, whatever the reason. Not under the engine's locks.</summary>
    public void Close(HubFailure why)
    {
        var reason = HubErrors.Lost(why.Detail ?? why.Message);
        Pending[] orphans;
        lock (_lock)
        {
            _closed ??= reason;
            orphans = [.. _pending];
            _pending.Clear();
        }

        _closing.Cancel();
        foreach (var orphan in orphans)
        {
            orphan.End(reason);
        }
    }

    private static HubFailure? Read(ILink link, Outcome? outcome) => outcome switch
    {
        Accepted => null,

        // The engine's way to say that the link went (its error may be that of another).
        Rejected when link.IsClosed || ((Link)link).LinkState >= global::Amqp.LinkState.DetachPipe => HubErrors.Lost("The link went."),
        Rejected rejected => HubErrors.Of(rejected.Error),
        _ => HubErrors.Lost($"The hub gave the message back: {outcome?.GetType().Name ?? "no outcome"}."),
    };

    private static void OnOutcome(ILink link, Message message, Outcome? outcome, object state)
    {
        var pending = (Pending)state;
        pending.Owner.End(pending, Read(link, outcome));
    }

    /// <summary>Takes the turn, then room; on failure it has neither.</summary>
    private ValueTask<HubFailure?> EnterAsync(int size, CancellationToken stopping)
    {
        // A semaphore that somebody waits for is never free: messages stay in order.
        var hasTurn = TryTake(_turn);
        var hasRoom = hasTurn && TryTake(_room);
        return hasRoom && _context.Window.TryEnter(size) ? new(default(HubFailure)) : WaitAsync(size, hasTurn, hasRoom, stopping);
    }

    private static bool TryTake(SemaphoreSlim semaphore) => semaphore.Wait(0, CancellationToken.None);

    private async ValueTask<HubFailure?> WaitAsync(int size, bool hasTurn, bool hasRoom, CancellationToken stopping)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stopping, _closing.Token);
        try
        {
            if (!hasTurn)
            {
                await _turn.WaitAsync(either.Token);
                hasTurn = true;
            }

            if (!hasRoom)
            {
                await _room.WaitAsync(either.Token);
                hasRoom = true;
            }

            await _context.Window.EnterAsync(size, either.Token);
            return null;
        }
        catch (OperationCanceledException)
        {
            if (hasRoom)
            {
                _room.Release();
            }

            if (hasTurn)
            {
                _turn.Release();
            }

            return _closed ?? HubErrors.Lost("The gateway stops.");
        }
    }

    private static async Task<HubFailure?> OutcomeAsync(Pending pending, CancellationToken stopping)
    {
        try
        {
            return await pending.Outcome.WaitAsync(stopping);
        }
        catch (OperationCanceledException)
        {
            return HubErrors.Lost("Nobody waits for the outcome any more.");
        }
    }

    private bool TryAdd(Pending pending)
    {
        lock (_lock)
        {
            if (_pending.Count == 0)
            {
                _movedAt = _context.Time.GetTimestamp();
            }

            return _closed is null && _pending.Add(pending);
        }
    }

    private void End(Pending pending, HubFailure? failure)
    {
        bool isFirst;
        lock (_lock)
        {
            isFirst = _pending.Remove(pending);
            _movedAt = _context.Time.GetTimestamp();
        }

        if (isFirst)
        {
            pending.End(failure);
        }
    }

    /// <summary>A message without an outcome; whoever takes it out of the set ends it.</summary>
    private sealed class Pending(TelemetrySender owner, int size)
    {
        private readonly TaskCompletionSource<HubFailure?> _outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TelemetrySender Owner { get; } = owner;

        public int Size { get; } = size;

        public Task<HubFailure?> Outcome => _outcome.Task;

        public void End(HubFailure? failure)
        {
            Owner._context.Window.Leave(Size);
            Owner._room.Release();
            _outcome.TrySetResult(failure);
        }
    }
}
