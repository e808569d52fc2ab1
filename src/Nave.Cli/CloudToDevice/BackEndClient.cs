using System.Net.Sockets;
using System.Security.Authentication;
using Amqp;
using Nave.Cli.Events;
using Nave.Cli.Hubs;
using Nave.Protocol.Access;
using Nave.Protocol.Identities;

namespace Nave.Cli.CloudToDevice;

/// <summary>
/// A back end on the hub's AMQP endpoint, Nave's or Azure's: sends commands and reads feedback (spec/service-amqp.md 4
/// and 5). Access is by SASL PLAIN with one token for the connection.
/// </summary>
internal sealed class BackEndClient : IAsyncDisposable
{
    private const int FeedbackCredit = 100;

    // The connection ends with its token: a day of following.
    private static readonly TimeSpan TokenLife = TimeSpan.FromDays(1);
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    // Short, so that a stop is noticed: this client's receive takes no token.
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(250);

    private readonly Connection _connection;
    private readonly Session _session;
    private readonly HubTarget _hub;
    private readonly TimeProvider _time;
    private SenderLink? _commands;
    private ReceiverLink? _feedback;

    private BackEndClient(Connection connection, HubTarget hub, TimeProvider time)
    {
        _connection = connection;
        _session = new Session(connection);
        _hub = hub;
        _time = time;
    }

    /// <summary>Connects with the policy of the hub's connection string.</summary>
    /// <exception cref="CommandFailedException">It cannot be reached, or refuses.</exception>
    public static async Task<BackEndClient> ConnectAsync(HubTarget hub, TimeProvider time)
    {
        if (hub.Service is not { SharedAccessKeyName: { } policy, SharedAccessKey: { } key })
        {
            throw new CommandFailedException(
                "Commands are sent with the connection string of a policy with ServiceConnect (HostName=…;SharedAccessKeyName=service;SharedAccessKey=…).",
                isUsage: true);
        }

        try
        {
            var user = $"{policy}@sas.root.{hub.Service.Host.Split('.')[0]}";
            var token = SasToken.Mint(hub.Service.Host, key, time.GetUtcNow() + TokenLife, policy);
            return new BackEndClient(await EventsClient.OpenAsync(hub, hub.Service.Host, sasl: null, user, token), hub, time);
        }
        catch (Exception e) when (e is AmqpException or SocketException or IOException or AuthenticationException or TimeoutException)
        {
            throw new CommandFailedException(
                $"{hub.Host}:{hub.AmqpsPort} (AMQP) cannot be used with the policy '{policy}': {e.Message} "
                + "Is the hub running, and are name and key right?");
        }
    }

    /// <summary>Sends a command; completed when the hub has queued it durably.</summary>
    /// <exception cref="CommandFailedException">The hub refuses it.</exception>
    public async Task SendAsync(OutgoingCommand command)
    {
        _commands ??= new SenderLink(_session, "nave-commands", "/messages/devicebound");
        try
        {
            await _commands.SendAsync(command.ToMessage(), Timeout);
        }
        catch (AmqpException e)
        {
            throw new CommandFailedException(Explain(e, command.Target));
        }
        catch (TimeoutException)
        {
            throw new CommandFailedException($"{_hub.Host} did not say within {Timeout.TotalSeconds:F0} s whether it has queued the command: it may have.");
        }
    }

    /// <summary>Starts taking feedback, so that nothing of what follows is missed.</summary>
    public void OpenFeedback()
    {
        if (_feedback is null)
        {
            _feedback = new ReceiverLink(_session, "nave-feedback", "/messages/serviceBound/feedback");
            _feedback.SetCredit(FeedbackCredit);
        }
    }

    /// <summary>The next batch of feedback; null when none came in that time, or a stop was asked for. What is not completed goes to another reader after a minute.</summary>
    public async Task<FeedbackBatch?> NextFeedbackAsync(TimeSpan atMost, CancellationToken stopping)
    {
        OpenFeedback();
        var began = _time.GetTimestamp();
        while (!stopping.IsCancellationRequested && _time.GetElapsedTime(began) < atMost)
        {
            if (await ReceiveAsync(_feedback!) is { } message)
            {
                return new FeedbackBatch(Feedback.ReadBatch(message), () => _feedback!.Accept(message));
            }
        }

        return null;
    }

    /// <summary>
    /// Feedback about one command; null when none came in that time. Other commands' stays in the hub's queue: unsettled, it
    /// goes to another reader when its lock is over.
    /// </summary>
    public async Task<Feedback?> WaitForFeedbackAsync(string messageId, TimeSpan atMost, CancellationToken stopping)
    {
        var began = _time.GetTimestamp();
        while (atMost - _time.GetElapsedTime(began) is var left && left > TimeSpan.Zero
            && await NextFeedbackAsync(left, stopping) is { } batch)
        {
            if (batch.Records.FirstOrDefault(record => record.MessageId == messageId) is { } ours)
            {
                if (batch.Records.All(record => record.MessageId == messageId))
                {
                    batch.Complete();
                }

                return ours;
            }
        }

        stopping.ThrowIfCancellationRequested();
        return null;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await _connection.CloseAsync(TimeSpan.FromSeconds(2), null);
        }
        catch (Exception e) when (e is AmqpException or TimeoutException or IOException or ObjectDisposedException)
        {
            // Gone already.
        }
    }

    private async Task<Message?> ReceiveAsync(ReceiverLink link)
    {
        try
        {
            return await link.ReceiveAsync(Look) is { } message ? message
                : link.IsClosed ? throw new CommandFailedException($"{_hub.Host} gives no feedback: {link.Error?.Description ?? "the connection is gone"}")
                : null;
        }
        catch (AmqpException e)
        {
            throw new CommandFailedException($"{_hub.Host} gives no feedback: {e.Error?.Description ?? e.Message}");
        }
    }

    private string Explain(AmqpException e, IdentityId target)
    {
        var said = e.Error?.Description ?? e.Message;
        return e.Error?.Condition?.ToString() switch
        {
            "amqp:not-found" => $"{_hub.Host} knows no enabled identity '{target}'. See 'nave device list'; create one with 'nave device create {target.Device.Value}'.",
            "amqp:resource-limit-exceeded" =>
                $"The queue of '{target}' is full: {said} Wait until the device takes some, or empty it with 'nave c2d purge {target.Device.Value}'.",
            "amqp:unauthorized-access" => $"{_hub.Host} refused: {said} The policy needs the right ServiceConnect.",
            "amqp:link:message-size-exceeded" => $"The command is too large: {said}",
            _ => $"{_hub.Host} refused the command: {said}",
        };
    }
}

/// <summary>Feedback under one lock.</summary>
/// <param name="Records">What it says.</param>
/// <param name="Complete">Takes the batch out of the hub's queue for good.</param>
internal sealed record FeedbackBatch(IReadOnlyList<Feedback> Records, Action Complete);
