using System.Diagnostics.CodeAnalysis;
using Nave.Hub.Devices;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;

namespace Nave.Hub.Methods;

/// <summary>
/// The calls that wait on this node, by request id. Bounded per device, in all, and in the bytes of their payloads; what
/// is over a bound is refused, never queued. Any thread may call.
/// </summary>
internal sealed class MethodCalls(MethodOptions options, Func<Guid> newId)
{
    // Payloads of all pending requests: 512 of the largest.
    private const long MaxPendingBytes = 64 * 1024 * 1024;

    private readonly Lock _lock = new();
    private readonly Dictionary<Guid, PendingMethod> _calls = [];
    private readonly Dictionary<IdentityId, int> _perIdentity = [];
    private long _bytes;

    /// <summary>Calls pending now.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _calls.Count;
            }
        }
    }

    /// <summary>Takes a call in; whoever opens it closes it.</summary>
    public Outcome<PendingMethod> Open(IdentityId id, int bytes)
    {
        lock (_lock)
        {
            var ofDevice = _perIdentity.GetValueOrDefault(id);
            if (ofDevice >= options.MaxPendingPerDevice)
            {
                return HubFailures.Throttled.Saying($"{options.MaxPendingPerDevice} method calls are pending for {id}.");
            }

            if (_calls.Count >= options.MaxPending || _bytes + bytes > MaxPendingBytes)
            {
                return HubFailures.Throttled.Saying("Too many method calls are pending.");
            }

            var call = new PendingMethod(newId(), id, bytes);
            _calls.Add(call.RequestId, call);
            _perIdentity[id] = ofDevice + 1;
            _bytes += bytes;
            return call;
        }
    }

    /// <summary>The call is over; what still comes for it means nothing.</summary>
    public void Close(PendingMethod call)
    {
        lock (_lock)
        {
            if (!_calls.Remove(call.RequestId))
            {
                return;
            }

            _bytes -= call.Bytes;
            if (_perIdentity[call.Id] is var ofDevice and > 1)
            {
                _perIdentity[call.Id] = ofDevice - 1;
            }
            else
            {
                _perIdentity.Remove(call.Id);
            }
        }
    }

    /// <summary>The device that a call waits for has come.</summary>
    public void Ready(Guid requestId, SessionName session)
    {
        if (TryFind(requestId, out var call))
        {
            call.Ready(session);
        }
    }

    /// <summary>A session says what became of a call.</summary>
    public void Complete(Guid requestId, SessionName session, MethodOutcome outcome)
    {
        if (TryFind(requestId, out var call))
        {
            call.Complete(session, outcome);
        }
    }

    private bool TryFind(Guid requestId, [NotNullWhen(true)] out PendingMethod? call)
    {
        lock (_lock)
        {
            return _calls.TryGetValue(requestId, out call);
        }
    }
}

/// <summary>One call that waits: first for a session to ask, then for that session's word.</summary>
internal sealed class PendingMethod(Guid requestId, IdentityId id, int bytes)
{
    private readonly Lock _lock = new();
    private TaskCompletionSource<SessionName>? _ready;
    private TaskCompletionSource<MethodOutcome>? _outcome;
    private SessionName? _asked;

    /// <summary>Its name, which nobody can guess.</summary>
    public Guid RequestId { get; } = requestId;

    /// <summary>Whom it is for.</summary>
    public IdentityId Id { get; } = id;

    /// <summary>Of its payload.</summary>
    public int Bytes { get; } = bytes;

    /// <summary>Completes with the next session that is ready. To be called before the actor is asked.</summary>
    public Task<SessionName> ExpectReadyAsync()
    {
        lock (_lock)
        {
            _ready = new TaskCompletionSource<SessionName>(TaskCreationOptions.RunContinuationsAsynchronously);
            return _ready.Task;
        }
    }

    /// <summary>Completes with the session's word and no other's. To be called before the session is asked.</summary>
    public Task<MethodOutcome> ExpectOutcomeAsync(SessionName session)
    {
        lock (_lock)
        {
            _asked = session;
            _outcome = new TaskCompletionSource<MethodOutcome>(TaskCreationOptions.RunContinuationsAsynchronously);
            return _outcome.Task;
        }
    }

    public void Ready(SessionName session)
    {
        lock (_lock)
        {
            _ready?.TrySetResult(session);
        }
    }

    public void Complete(SessionName session, MethodOutcome outcome)
    {
        lock (_lock)
        {
            if (_asked == session)
            {
                _outcome?.TrySetResult(outcome);
            }
        }
    }
}
