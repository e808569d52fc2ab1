namespace Nave.Hub.Methods;

/// <summary>
/// The calls that one session's device has not answered: which node waits for each. A device can answer what it was asked
/// in this session, once, and nothing else. Any thread may call.
/// </summary>
internal sealed class SessionMethods
{
    private readonly Dictionary<Guid, Guid> _waiting = [];
    private bool _isOver;

    /// <summary>Takes a call in; false when the session is over.</summary>
    public bool TryAdd(MethodInvocation invocation)
    {
        lock (_waiting)
        {
            if (_isOver)
            {
                return false;
            }

            _waiting[invocation.RequestId] = invocation.Node;
            return true;
        }
    }

    /// <summary>Whether the call waits.</summary>
    public bool Has(Guid requestId)
    {
        lock (_waiting)
        {
            return _waiting.ContainsKey(requestId);
        }
    }

    /// <summary>Takes a call out.</summary>
    /// <param name="requestId">As the device gave it.</param>
    /// <param name="node">The node that waits.</param>
    /// <returns>False when the device was not asked this here, or has answered.</returns>
    public bool TryTake(Guid requestId, out Guid node)
    {
        lock (_waiting)
        {
            return _waiting.Remove(requestId, out node);
        }
    }

    /// <summary>The session is over.</summary>
    /// <returns>The calls that got no answer, with the nodes that wait.</returns>
    public IReadOnlyCollection<KeyValuePair<Guid, Guid>> End()
    {
        lock (_waiting)
        {
            _isOver = true;
            KeyValuePair<Guid, Guid>[] lost = [.. _waiting];
            _waiting.Clear();
            return lost;
        }
    }
}
