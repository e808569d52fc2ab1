using Amqp;
using Amqp.Framing;
using Nave.Protocol.Errors;

namespace Nave.PskGateway.Upstream;

/// <summary>One device's direct methods over its pair of links (spec/device-amqp.md 7). Owns which calls have no answer yet.</summary>
internal sealed class MethodServer(UpstreamContext context, Action<HubMethodCall> onCall)
{
    // Calls without an answer; a device that answers none is asked no more.
    private const int MaxWaiting = 100;

    // What nobody waits for any more: the longest response time (spec/service-rest.md, direct methods).
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(300);

    private readonly Lock _lock = new();
    private readonly Dictionary<Guid, long> _waiting = []; // Since when.
    private PairedLinks? _links;

    /// <summary>Attaches the links.</summary>
    public async Task<HubFailure?> OpenAsync(Session session, string path, Action<HubFailure> onLost)
    {
        var address = new PairedAddress(path + "/methods/devicebound", "Methods", "methods", Credit: MaxWaiting);
        var outcome = await PairedLinks.OpenAsync(session, address, context.NewId(), OnMessage, onLost);
        _links = outcome.Value;
        return outcome.Failure;
    }

    /// <summary>Sends an answer.</summary>
    /// <returns>False when it cannot be sent. An answer that nobody waits for is none: it goes nowhere.</returns>
    public bool Answer(Guid requestId, int status, ReadOnlyMemory<byte> payload)
    {
        lock (_lock)
        {
            if (!_waiting.Remove(requestId))
            {
                return true;
            }
        }

        var properties = new Properties();
        properties.SetCorrelationId(requestId); // As Node answers; the hub compares the value, not the type.
        try
        {
            _links!.Send(new Message // What was called came over them.
            {
                Properties = properties,
                ApplicationProperties = new ApplicationProperties { ["IoThub-status"] = status },
                BodySection = HubMessages.ToData(payload),
            });
            return true;
        }
        catch (Exception e) when (HubErrors.IsClosed(e))
        {
            return false;
        }
    }

    /// <summary>Takes no more calls.</summary>
    public void Drop()
    {
        lock (_lock)
        {
            _waiting.Clear();
        }

        _links?.Drop();
    }

    // On the connection's read loop.
    private void OnMessage(Message message)
    {
        var id = message.Properties?.GetCorrelationId();
        if ((id is Guid guid || (id is string text && Guid.TryParse(text, out guid)))
            && message.ApplicationProperties?.Map["IoThub-methodname"] is string name
            && TryAdd(guid))
        {
            onCall(new HubMethodCall(guid.ToString("D"), name, HubMessages.BodyOf(message)));
        }
    }

    private bool TryAdd(Guid id)
    {
        lock (_lock)
        {
            if (_waiting.Count >= MaxWaiting)
            {
                foreach (var (old, since) in _waiting)
                {
                    if (context.Time.GetElapsedTime(since) > LongestWait)
                    {
                        _waiting.Remove(old); // While they are enumerated: a removal is allowed.
                    }
                }
            }

            return _waiting.Count < MaxWaiting && _waiting.TryAdd(id, context.Time.GetTimestamp());
        }
    }
}
