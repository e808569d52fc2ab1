using Amqp;
using Amqp.Framing;
using Amqp.Types;

namespace Nave.Hub.Tests.Harness;

/// <summary>AMQPNetLite's own client, with the verbs that tests need. Waits have a limit; nothing sleeps.</summary>
internal sealed class AmqpClient : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private int _links;

    private AmqpClient(Connection connection)
    {
        Connection = connection;
        Session = new Session(connection);
    }

    public Connection Connection { get; }

    public Session Session { get; }

    /// <summary>Connects without SASL, or with SASL PLAIN.</summary>
    public static async Task<AmqpClient> ConnectAsync(AmqpServer server, string? user = null, string? password = null)
    {
        var factory = new ConnectionFactory();
        factory.AMQP.HostName = "127.0.0.1";
        var connection = await factory.CreateAsync(new Address("127.0.0.1", server.Port, user, password, "/", "amqp")).WaitAsync(Patience);
        return new AmqpClient(connection);
    }

    /// <summary>Connects and puts a token.</summary>
    public static async Task<AmqpClient> ConnectAsync(AmqpServer server, string token)
    {
        var client = await ConnectAsync(server);
        Assert.Equal(200, await client.PutTokenAsync(token));
        return client;
    }

    /// <summary>Puts a token and returns the status.</summary>
    public async Task<int> PutTokenAsync(string token, string type = "servicebus.windows.net:sastoken")
    {
        var (sender, receiver) = await AttachPairAsync("$cbs");
        var request = new Message
        {
            Properties = new Properties { MessageId = $"put{_links}", ReplyTo = "cbs" },
            ApplicationProperties = new ApplicationProperties { ["operation"] = "put-token", ["type"] = type, ["name"] = "whatever" },
            BodySection = new AmqpValue { Value = token },
        };
        var reply = await RequestAsync(sender, receiver, request);
        Assert.Equal(request.Properties.MessageId, reply.Properties.CorrelationId);
        return Assert.IsType<int>(reply.ApplicationProperties["status-code"]);
    }

    /// <summary>Reads from the management node.</summary>
    public async Task<Message> ReadAsync(string type, string name, string? partition = null)
    {
        var (sender, receiver) = await AttachPairAsync("$management");
        var request = new Message
        {
            Properties = new Properties { MessageId = $"read{_links}", ReplyTo = ((Target)_lastReceiver!.Target).Address },
            ApplicationProperties = new ApplicationProperties { ["operation"] = "READ", ["name"] = name, ["type"] = type },
            BodySection = new Data { Binary = "[]"u8.ToArray() },
        };
        if (partition is not null)
        {
            request.ApplicationProperties["partition"] = partition;
        }

        return await RequestAsync(sender, receiver, request);
    }

    /// <summary>Attaches a receiver and waits for the answer; throws <see cref="AmqpException"/> when it is refused.</summary>
    public async Task<EventReceiver> ReceiveAsync(string address, string? filter = null, Action<Attach>? change = null)
    {
        var source = new Source { Address = address };
        if (filter is not null)
        {
            source.FilterSet = new Map
            {
                [new Symbol("apache.org:selector-filter:string")] = new DescribedValue(0x468C00000004ul, filter),
            };
        }

        var attach = new Attach { Source = source, Target = new Target() };
        change?.Invoke(attach);
        var receiver = new EventReceiver(Session, $"receiver{Interlocked.Increment(ref _links)}", attach);
        await receiver.AttachedAsync();
        return receiver;
    }

    /// <summary>Attaches a sender to the address and returns the error that it is refused with.</summary>
    public async Task<Error> RefusedSenderAsync(string address)
    {
        var over = new TaskCompletionSource<Error>(TaskCreationOptions.RunContinuationsAsynchronously);
        var sender = new SenderLink(Session, $"sender{Interlocked.Increment(ref _links)}", address);
        sender.AddClosedCallback((_, error) => over.TrySetResult(error));
        return await over.Task.WaitAsync(Patience);
    }

    /// <summary>Attaches a receiver to the address and returns the error that it is refused with.</summary>
    public async Task<Error> RefusedAsync(string address, string? filter = null, Action<Attach>? change = null)
    {
        var receiver = await ReceiveAsync(address, filter, change);
        return await receiver.ClosedAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!Connection.IsClosed)
        {
            await Connection.CloseAsync(Patience, null).WaitAsync(Patience);
        }
    }

    private static async Task<Message> RequestAsync(SenderLink sender, EventReceiver receiver, Message request)
    {
        receiver.Grant(1);
        await sender.SendAsync(request).WaitAsync(Patience);
        return await receiver.NextAsync();
    }

    private Attach? _lastReceiver;

    private async Task<(SenderLink Sender, EventReceiver Receiver)> AttachPairAsync(string node)
    {
        var name = $"{node}{Interlocked.Increment(ref _links)}";
        var sender = new SenderLink(Session, name + "-out", new Attach { Source = new Source(), Target = new Target { Address = node } }, null);
        _lastReceiver = new Attach { Source = new Source { Address = node }, Target = new Target { Address = name } };
        var receiver = new EventReceiver(Session, name + "-in", _lastReceiver);
        await receiver.AttachedAsync();
        return (sender, receiver);
    }
}
