using Nave.Hub.Devices;

namespace Nave.Hub.Methods;

/// <summary>Calls within this process. With more nodes, those of others go over the wire from here.</summary>
internal sealed class MethodRoute(SessionTable sessions, MethodCalls calls, NodeIncarnation node) : IMethodRoute
{
    /// <inheritdoc/>
    public void Invoke(SessionName session, MethodInvocation invocation)
    {
        if (sessions.Find(session) is { } found)
        {
            found.InvokeMethod(invocation);
        }
        else
        {
            Complete(invocation.Node, invocation.RequestId, session, new MethodOutcome(MethodOutcomeKind.NeverAsked));
        }
    }

    /// <inheritdoc/>
    public void Forget(SessionName session, Guid requestId) => sessions.Find(session)?.ForgetMethod(requestId);

    /// <inheritdoc/>
    public void Ready(MethodWaiter waiter, SessionName session)
    {
        if (waiter.Node == node.Id)
        {
            calls.Ready(waiter.RequestId, session);
        }
    }

    /// <inheritdoc/>
    public void Complete(Guid waiting, Guid requestId, SessionName session, MethodOutcome outcome)
    {
        if (waiting == node.Id)
        {
            calls.Complete(requestId, session, outcome);
        }
    }
}
