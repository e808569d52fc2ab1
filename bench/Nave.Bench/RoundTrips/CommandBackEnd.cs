using System.Collections.Concurrent;
using System.Text.Json;
using Amqp;
using Amqp.Framing;
using Nave.Bench.Load;
using Nave.Bench.Reading;
using Nave.Bench.Scenarios;

namespace Nave.Bench.RoundTrips;

/// <summary>A back end on AMQP, with AMQPNetLite's client: sends commands that ask for feedback, and reads the feedback.</summary>
internal sealed class CommandBackEnd : IAsyncDisposable
{
    private const int FeedbackCredit = 100;

    private readonly Connection _connection;
    private readonly SenderLink _commands;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<string, long> _underWay = new(); // By message id, since the command's arrival.
    private readonly Lock _gate = new();
    private LatencyHistogram _feedback = new();

    private CommandBackEnd(Connection connection, TimeProvider time)
    {
        (_connection, _time) = (connection, time);
        var session = new Session(connection);
        _commands = new SenderLink(session, "commands", "/messages/devicebound");
        var feedback = new ReceiverLink(session, "feedback", "/messages/servicebound/feedback");
        feedback.Start(FeedbackCredit, OnFeedback);
    }

    /// <summary>Commands whose feedback has not come.</summary>
    public int Missing => _underWay.Count;

    /// <summary>The first outcome that was not a success.</summary>
    public string? FirstError { get; private set; }

    public static async Task<CommandBackEnd> ConnectAsync(HubConnection hub, TimeProvider time)
    {
        var (user, key) = HubLogins.Service(hub);
        return new CommandBackEnd(
            await Connection.Factory.CreateAsync(
                new Address("127.0.0.1", hub.Ports.Amqp, user, key, "/", "amqp"), new Open { ContainerId = "nave-bench", HostName = hub.HostName }, null),
            time);
    }

    /// <summary>Sends a command. Completes when the hub has taken it durably.</summary>
    public async Task SendAsync(string device, string id)
    {
        _underWay[id] = _time.GetTimestamp();
        using var message = new Message
        {
            Properties = new Properties { MessageId = id, To = $"/devices/{device}/messages/devicebound" },
            ApplicationProperties = new ApplicationProperties { Map = { ["iothub-ack"] = "full" } },
            BodySection = new Data { Binary = new byte[100] },
        };
        await _commands.SendAsync(message);
    }

    /// <summary>From here on the command waits for its feedback.</summary>
    public void OnArrived(string id, long at)
    {
        if (_underWay.TryGetValue(id, out var sent))
        {
            _underWay.TryUpdate(id, at, sent); // Unless its feedback was faster.
        }
    }

    /// <summary>From a command's arrival to the read of its feedback, since the last call.</summary>
    public LatencyHistogram TakeFeedback()
    {
        lock (_gate)
        {
            var taken = _feedback;
            _feedback = new LatencyHistogram();
            return taken;
        }
    }

    public async ValueTask DisposeAsync() => await _connection.CloseAsync();

    private void OnFeedback(IReceiverLink link, Message batch)
    {
        var now = _time.GetTimestamp();
        using var records = JsonDocument.Parse(((Data)batch.BodySection).Binary);
        foreach (var record in records.RootElement.EnumerateArray())
        {
            if (record.GetProperty("statusCode").GetString() is not "Success")
            {
                FirstError ??= $"feedback {record}";
            }

            if (_underWay.TryRemove(record.GetProperty("originalMessageId").GetString()!, out var since))
            {
                lock (_gate)
                {
                    _feedback.Record((long)_time.GetElapsedTime(since, now).TotalNanoseconds);
                }
            }
        }

        link.Accept(batch);
        batch.Dispose();
    }
}
