using System.Threading.Channels;
using Amqp;
using Amqp.Framing;
using Amqp.Listener;
using Microsoft.Extensions.Logging;
using Nave.Hub.Devices;
using Nave.Protocol;
using Nave.Protocol.Errors;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// The <c>$cbs</c> node of one connection: put-token in, a status out (spec/service-amqp.md 2, spec/device-amqp.md 3).
/// Requests are judged one after the other, away from the read loop: a judgement may have to look something up.
/// </summary>
internal sealed partial class CbsNode(AmqpConnection connection, IAmqpAccess access, ILogger logger) : IDisposable
{
    private const int RequestCredit = 100;

    // One more than the credit is a peer that does not count.
    private readonly Channel<TokenRequest> _requests = Channel.CreateBounded<TokenRequest>(
        new BoundedChannelOptions(RequestCredit) { SingleReader = true, SingleWriter = true });

    private readonly CancellationTokenSource _stopping = new();
    private readonly ReplyLinks _replies = new();
    private Task? _judging;
    private ListenerLink? _requestLink; // The newest.

    /// <summary>Accepts either of the node's links.</summary>
    public void Attach(LinkRequest request)
    {
        if (request.PeerSends)
        {
            _judging ??= JudgeAsync();
            _requestLink = request.Link;
            request.AcceptReceiver(RequestCredit, AmqpFrame.MaxBytes, (link, message) => OnRequest(link, request.Session, message));
        }
        else
        {
            _replies.Attach(request);
        }
    }

    /// <summary>Detaches the links on which requests come, or those on which answers go.</summary>
    public void Detach(bool isRequests, Error error)
    {
        if (!isRequests)
        {
            _replies.Detach(error);
        }
        else if (Interlocked.Exchange(ref _requestLink, null) is { } link)
        {
            AmqpConnection.CloseQuietly(link, error);
        }
    }

    public void Dispose()
    {
        _requests.Writer.TryComplete();
        _stopping.Cancel();
    }

    private void OnRequest(ListenerLink link, Session session, Message message)
    {
        var decoded = connection.IsAborted ? null : ((RawMessage)message).TryDecode();

        // Before the reply: azure-amqp uses one empty tag for all its requests (spec/service-amqp.md 2).
        link.DisposeMessage(message, decoded is null ? new Released() : new Accepted(), settled: true);
        message.Dispose();
        if (decoded is not null && !_requests.Writer.TryWrite(new TokenRequest(session, decoded)))
        {
            connection.Close(CloseReason.Throttled, LinkRequest.ToError(HubFailures.TooManyTokens));
        }
    }

    private async Task JudgeAsync()
    {
        try
        {
            await foreach (var request in _requests.Reader.ReadAllAsync(_stopping.Token))
            {
                var (status, description) = await PutTokenAsync(request.Message, _stopping.Token);
                Reply(request, status, description);
            }
        }
        catch (OperationCanceledException)
        {
            // The connection has ended.
        }
        catch (Exception e)
        {
            // spec/device-amqp.md 3.3: any status but 200 is final for Node; for our own trouble drop the connection instead.
            Log.JudgementFailed(logger, e, connection.Peer.ConnectionId);
            connection.Close(CloseReason.InternalError, LinkRequest.ToError(HubFailures.ServerError));
        }
    }

    private async ValueTask<(int Status, string Description)> PutTokenAsync(Message request, CancellationToken stopping)
    {
        var properties = request.ApplicationProperties?.Map;
        var operation = properties?["operation"] as string;
        if (!string.Equals(operation, "put-token", StringComparison.OrdinalIgnoreCase))
        {
            return (400, $"The operation is not known.");
        }

        if (request.BodySection is not AmqpValue { Value: string token } || properties?["name"] is not string || properties["type"] is not string)
        {
            return (400, "A put-token has name, type and a token as its value.");
        }

        if (token.Length > HubLimits.MaxTokenBytes)
        {
            return (401, HubFailures.Unauthorized.Message);
        }

        var outcome = await access.AdmitTokenAsync(token, connection.Peer.Address, stopping);
        if (!outcome.TryGet(out var grant, out var failure) || (failure = connection.Grants.Add(grant)) is not null)
        {
            Log.TokenRefused(logger, connection.Peer.ConnectionId, failure.Code, failure.Detail);

            // Only 401 makes every client stop; the C# device client retries 403 for ever (spec/device-amqp.md 3.3).
            return (failure.Code is HubErrorCode.IotHubNotFound ? 404 : 401, failure.Message);
        }

        connection.Devices.Renew(grant);
        return (200, "OK");
    }

    private void Reply(TokenRequest request, int status, string description)
    {
        var properties = request.Message.Properties;
        var reply = _replies.Find(request.Session, properties?.ReplyTo);
        if (reply is null)
        {
            return; // Nobody listens.
        }

        var answer = new Message
        {
            Properties = new Properties(),
            ApplicationProperties = new ApplicationProperties(),
            BodySection = new AmqpValue { Value = null },
        };
        if (properties?.GetMessageId() is { } id)
        {
            answer.Properties.SetCorrelationId(id);
        }

        answer.ApplicationProperties["status-code"] = status; // int: azure-amqp casts the boxed value.
        answer.ApplicationProperties["status-description"] = description;
        if (!reply.TrySend(answer))
        {
            connection.Close(CloseReason.Throttled, LinkRequest.ToError(HubFailures.TooManyTokens));
        }
    }

    private sealed record TokenRequest(Session Session, Message Message);

    private static partial class Log
    {
        [LoggerMessage(2210, LogLevel.Debug, "AMQP connection {ConnectionId}: token refused, {ErrorCode}: {Detail}")]
        public static partial void TokenRefused(ILogger logger, string connectionId, HubErrorCode errorCode, string? detail);

        [LoggerMessage(2211, LogLevel.Error, "A token of AMQP connection {ConnectionId} could not be judged")]
        public static partial void JudgementFailed(ILogger logger, Exception exception, string connectionId);
    }
}

/// <summary>Links to <c>$cbs</c> go to their connection's node.</summary>
internal sealed class CbsLinks : ILinkHandler
{
    public void Attach(LinkRequest request) => request.Connection.Cbs.Attach(request);
}
