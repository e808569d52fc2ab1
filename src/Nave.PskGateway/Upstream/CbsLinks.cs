using System.Collections.Concurrent;
using System.Globalization;
using Amqp;
using Amqp.Framing;
using Nave.Protocol.Errors;

namespace Nave.PskGateway.Upstream;

/// <summary>
/// Puts tokens to the hub's <c>$cbs</c> node over one pair of links (spec/device-amqp.md 3). Many requests may be under
/// way; how many is up to the callers, of which a connection has one for each of its devices.
/// </summary>
internal sealed class CbsLinks
{
    private const string Node = "$cbs";
    private const string ReplyTo = "nave-cbs";
    private const int ReplyCredit = 100;

    private readonly ConcurrentDictionary<string, TaskCompletionSource<HubFailure?>> _waiting = new();
    private readonly LinkState _requestState;
    private readonly LinkState _replyState;
    private readonly SenderLink _requests;
    private readonly ReceiverLink _replies;
    private readonly TimeProvider _time;
    private long _lastId;

    /// <summary>Begins to attach.</summary>
    public CbsLinks(Session session, TimeProvider time)
    {
        _time = time;
        _requestState = new LinkState(End);
        _replyState = new LinkState(End);
        _replies = new ReceiverLink(
            session,
            "nave-cbs-replies",
            new Attach { Source = new Source { Address = Node }, Target = new Target { Address = ReplyTo } },
            _replyState.OnAttached);
        _requests = new SenderLink(
            session,
            "nave-cbs-requests",
            new Attach { Source = new Source { Address = ReplyTo }, Target = new Target { Address = Node } },
            _requestState.OnAttached);
        _replyState.Follow(_replies);
        _requestState.Follow(_requests);
        _replies.Start(ReplyCredit, OnReply);
    }

    /// <summary>Completes when both links are attached, with why not if they are not.</summary>
    public async Task<HubFailure?> OpenAsync() => await _replyState.Attached ?? await _requestState.Attached;

    /// <summary>Has a token accepted for an audience.</summary>
    /// <returns>Why it is refused or could not be put; null when the hub has it.</returns>
    public async Task<HubFailure?> PutTokenAsync(string audience, string token, TimeSpan patience, CancellationToken stopping)
    {
        var id = Interlocked.Increment(ref _lastId).ToString(CultureInfo.InvariantCulture);
        var answer = new TaskCompletionSource<HubFailure?>(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting[id] = answer;
        try
        {
            Send(id, audience, token);
            return await answer.Task.WaitAsync(patience, _time, stopping);
        }
        catch (Exception e) when (HubErrors.IsClosed(e))
        {
            return HubErrors.Lost($"$cbs: {e.Message}");
        }
        catch (TimeoutException)
        {
            return HubErrors.Lost("The hub did not answer a token.");
        }
        finally
        {
            _waiting.TryRemove(id, out _);
        }
    }

    // Settled as sent: the answer is a message (spec/device-amqp.md 3.2).
    private void Send(string id, string audience, string token) => _requests.Send(
        new Message
        {
            Properties = new Properties { MessageId = id, To = Node, ReplyTo = ReplyTo },
            ApplicationProperties = new ApplicationProperties
            {
                ["operation"] = "put-token",
                ["type"] = "servicebus.windows.net:sastoken",
                ["name"] = audience,
            },
            BodySection = new AmqpValue { Value = token },
        },
        null,
        null);

    private static HubFailure? Read(Message reply)
    {
        var properties = reply.ApplicationProperties?.Map;
        var status = properties?["status-code"] is int code ? code : 0;
        var detail = $"$cbs answered {status}: {properties?["status-description"]}";
        return status switch
        {
            200 or 202 => null,
            401 => HubFailures.Unauthorized.Because(detail),
            404 => HubFailures.HubNotFound.Because(detail),
            _ => HubErrors.Lost(detail),
        };
    }

    // On the connection's read loop: returns at once.
    private void OnReply(IReceiverLink link, Message reply)
    {
        link.Accept(reply);
        if (reply.Properties?.GetCorrelationId() is string id && _waiting.TryRemove(id, out var answer))
        {
            answer.TrySetResult(Read(reply));
        }
    }

    private void End(HubFailure failure)
    {
        foreach (var (id, answer) in _waiting)
        {
            _waiting.TryRemove(id, out _);
            answer.TrySetResult(failure);
        }
    }
}
