using System.Globalization;
using Amqp;
using Amqp.Framing;

namespace Nave.Cli.Events;

/// <summary>Puts tokens to a hub's <c>$cbs</c> node, one at a time.</summary>
internal sealed class CbsClient : IDisposable
{
    private const string ReplyTo = "nave-cbs";
    private const int Accepted = 202;

    private readonly SenderLink _requests;
    private readonly ReceiverLink _replies;
    private readonly SemaphoreSlim _turn = new(1, 1);
    private long _lastId;

    public CbsClient(Session session)
    {
        _replies = new ReceiverLink(
            session, "nave-cbs-replies",
            new Attach { Source = new Source { Address = "$cbs" }, Target = new Target { Address = ReplyTo } }, null);
        _requests = new SenderLink(session, "nave-cbs-requests", "$cbs");
        _replies.SetCredit(50);
    }

    /// <inheritdoc/>
    public void Dispose() => _turn.Dispose();

    /// <summary>Has a token accepted for an audience.</summary>
    /// <exception cref="CommandFailedException">The hub refuses it.</exception>
    public async Task PutTokenAsync(string audience, string token, TimeSpan timeout)
    {
        await _turn.WaitAsync();
        try
        {
            await _requests.SendAsync(
                new Message(token)
                {
                    Properties = new Properties { MessageId = (++_lastId).ToString(CultureInfo.InvariantCulture), ReplyTo = ReplyTo },
                    ApplicationProperties = new ApplicationProperties
                    {
                        ["operation"] = "put-token",
                        ["type"] = "servicebus.windows.net:sastoken",
                        ["name"] = audience,
                    },
                },
                timeout);
            var reply = await _replies.ReceiveAsync(timeout) ?? throw new TimeoutException("The hub did not answer the token.");
            _replies.Accept(reply);
            var status = Convert.ToInt32(reply.ApplicationProperties?["status-code"] ?? 0, CultureInfo.InvariantCulture);
            if (status is not (Accepted or 200))
            {
                throw new CommandFailedException($"The hub refused the token for {audience}: {status} {reply.ApplicationProperties?["status-description"]}");
            }
        }
        finally
        {
            _turn.Release();
        }
    }
}
