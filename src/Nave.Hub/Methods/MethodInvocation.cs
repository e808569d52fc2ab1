using Nave.Hub.Devices;

namespace Nave.Hub.Methods;

/// <summary>A call on its way to a device.</summary>
/// <param name="RequestId">128 random bits: what the device answers with. Names the call on the node that waits.</param>
/// <param name="Node">The node that waits.</param>
/// <param name="MethodName">Exact case.</param>
/// <param name="Payload">JSON, never empty: Node refuses an empty body by itself (spec/device-mqtt.md 9).</param>
internal sealed record MethodInvocation(Guid RequestId, Guid Node, string MethodName, ReadOnlyMemory<byte> Payload);

/// <summary>A call that waits for its device to come; the actor keeps this name, never the call.</summary>
/// <param name="Node">The node that waits.</param>
/// <param name="RequestId">The call on that node.</param>
internal readonly record struct MethodWaiter(Guid Node, Guid RequestId);

/// <summary>What became of an invocation at its session.</summary>
internal readonly record struct MethodOutcome(MethodOutcomeKind Kind, int Status = 0, ReadOnlyMemory<byte> Payload = default);

/// <summary>Kinds of <see cref="MethodOutcome"/>.</summary>
internal enum MethodOutcomeKind
{
    /// <summary>The device answered.</summary>
    Answered,

    /// <summary>The session had ended before: the device was never asked, and another session may be.</summary>
    NeverAsked,

    /// <summary>The device is connected and does not take this: not subscribed to the method, or it leaves what it is sent unread.</summary>
    NotTaken,

    /// <summary>The session ended while the device had the request: nobody knows what it did.</summary>
    Lost,
}

/// <summary>
/// Carries calls between the node that waits, the actor and the node that has the connection. All of it is one-way; in
/// one process it is one table away.
/// </summary>
internal interface IMethodRoute
{
    /// <summary>Sends a call to a session; the outcome comes back as <see cref="Complete"/>.</summary>
    void Invoke(SessionName session, MethodInvocation invocation);

    /// <summary>Nobody waits for the call any more.</summary>
    void Forget(SessionName session, Guid requestId);

    /// <summary>The device that a call waits for has come.</summary>
    void Ready(MethodWaiter waiter, SessionName session);

    /// <summary>Tells the node that waits. An outcome of any session but the one that was asked counts for nothing.</summary>
    void Complete(Guid node, Guid requestId, SessionName session, MethodOutcome outcome);
}
