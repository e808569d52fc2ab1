using System.Collections.Concurrent;
using Amqp;
using Amqp.Framing;
using Amqp.Types;
using Nave.Protocol.Errors;

namespace Nave.PskGateway.Upstream;

/// <summary>
/// One device's twin over its pair of links (spec/device-amqp.md 8): requests, their answers by correlation id, and
/// desired changes, which have none. Every request ends: with its answer, the link, or its time.
/// </summary>
internal sealed class TwinClient(UpstreamContext context, Action<ReadOnlyMemory<byte>, long> onDesired)
{
    private const string Reported = "/properties/reported";
    private const string Desired = "/notifications/twin/properties/desired";

    // Requests without an answer; a hub grants about as many.
    private const int MaxWaiting = 20;

    private static readonly ReadOnlyMemory<byte> Blank = " "u8.ToArray();

    private readonly ConcurrentDictionary<string, TaskCompletionSource<TwinAnswer>> _waiting = new();
    private PairedLinks? _links;
    private volatile bool _isClosed;

    /// <summary>Attaches the links.</summary>
    public async Task<HubFailure?> OpenAsync(Session session, string path, Action<HubFailure> onLost)
    {
        var address = new PairedAddress(path + "/twin", "Twin", "twin", Credit: 2 * MaxWaiting);
        var outcome = await PairedLinks.OpenAsync(session, address, context.NewId(), OnMessage, onLost);
        _links = outcome.Value;
        return outcome.Failure;
    }

    /// <summary>Reads the twin.</summary>
    public Task<TwinAnswer> GetAsync(CancellationToken stopping) => AskAsync("GET", null, Blank, stopping);

    /// <summary>Merges reported properties.</summary>
    public Task<TwinAnswer> PatchAsync(ReadOnlyMemory<byte> patch, CancellationToken stopping) => AskAsync("PATCH", Reported, patch, stopping);

    /// <summary>Has desired changes told from now on.</summary>
    public Task<TwinAnswer> WatchAsync(CancellationToken stopping) => AskAsync("PUT", Desired, Blank, stopping);

    /// <summary>Ends everything that waits.</summary>
    public void Close()
    {
        _isClosed = true;
        foreach (var (id, waiting) in _waiting)
        {
            _waiting.TryRemove(id, out _);
            waiting.TrySetResult(Nothing);
        }
    }

    /// <summary>No answer came.</summary>
    public static TwinAnswer Nothing { get; } = new(TwinAnswer.Lost);

    private async Task<TwinAnswer> AskAsync(string operation, string? resource, ReadOnlyMemory<byte> body, CancellationToken stopping)
    {
        if (_waiting.Count >= MaxWaiting)
        {
            return new TwinAnswer(429);
        }

        var id = context.NewId().ToString("D");
        var answer = new TaskCompletionSource<TwinAnswer>(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting[id] = answer;
        try
        {
            if (_isClosed || _links is not { } links)
            {
                return Nothing;
            }

            links.Send(CreateRequest(id, operation, resource, body));
            return await answer.Task.WaitAsync(context.Options.AnswerTimeout, context.Time, stopping);
        }
        catch (Exception e) when (HubErrors.IsConnectFailure(e))
        {
            return Nothing; // Closed, too late, or nobody waits for it any more.
        }
        finally
        {
            _waiting.TryRemove(id, out _);
        }
    }

    private static Message CreateRequest(string id, string operation, string? resource, ReadOnlyMemory<byte> body)
    {
        var properties = new Properties();
        properties.SetCorrelationId(id);
        var annotations = new MessageAnnotations { [new Symbol("operation")] = operation };
        if (resource is not null)
        {
            annotations[new Symbol("resource")] = resource;
        }

        return new Message { MessageAnnotations = annotations, Properties = properties, BodySection = HubMessages.ToData(body) };
    }

    // On the connection's read loop.
    private void OnMessage(Message message)
    {
        var body = HubMessages.BodyOf(message);
        var version = HubMessages.Annotation(message, "version") as long?;
        switch (message.Properties?.GetCorrelationId())
        {
            case null:
                onDesired(body, version ?? HubMessages.VersionOf(body.Span)); // Not every hub says it outside (spec/device-amqp.md 8).
                break;
            case string id when _waiting.TryRemove(id, out var waiting):
                var status = HubMessages.Annotation(message, "status") is int code ? code : Nothing.Status;
                waiting.TrySetResult(new TwinAnswer(status, body, version));
                break;
            default:
                break; // Too late.
        }
    }
}
