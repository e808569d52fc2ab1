using System.Collections.Concurrent;
using System.Reflection;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Amqp;
using Amqp.Framing;
using Amqp.Handler;
using Nave.Hub.Devices;
using Nave.Hub.Tests.Harness;

namespace Nave.Hub.Tests.Heads.Amqp;

/// <summary>One AMQP connection to a <see cref="TestHub"/> without SASL, for devices and back ends alike.</summary>
internal sealed class AmqpDeviceClient : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly TestHub _hub;
    private readonly AnswerWatch _answers;
    private int _links;

    private AmqpDeviceClient(TestHub hub, Connection connection, AnswerWatch answers)
    {
        _hub = hub;
        _answers = answers;
        Connection = connection;
        Session = new Session(connection);
    }

    public Connection Connection { get; }

    /// <summary>The first session.</summary>
    public Session Session { get; }

    public static async Task<AmqpDeviceClient> ConnectAsync(TestHub hub, string? user = null, string? password = null)
    {
        var factory = new ConnectionFactory();
        factory.AMQP.HostName = hub.HostName;
        factory.AMQP.MaxSessionsPerConnection = 1000;
        var answers = new AnswerWatch();
        var address = new Address("127.0.0.1", hub.Connection.Ports.Amqp!.Value, user, password, "/", "amqp");
        return new AmqpDeviceClient(hub, await factory.CreateAsync(address, answers).WaitAsync(Patience), answers);
    }

    /// <summary>Connects with TLS and a client certificate.</summary>
    public static async Task<AmqpDeviceClient> ConnectTlsAsync(TestHub hub, X509Certificate2 certificate)
    {
        var factory = new ConnectionFactory();
        factory.AMQP.HostName = hub.HostName;
        factory.SSL.ClientCertificates.Add(certificate);
        factory.SSL.RemoteCertificateValidationCallback = (_, server, chain, _) => IsOfHub(hub, server!, chain!);
        var answers = new AnswerWatch();
        var address = new Address("127.0.0.1", hub.Connection.Ports.Amqps, null, null, "/", "amqps");
        return new AmqpDeviceClient(hub, await factory.CreateAsync(address, answers).WaitAsync(Patience), answers);
    }

    private static bool IsOfHub(TestHub hub, X509Certificate server, X509Chain chain)
    {
        using var authority = X509CertificateLoader.LoadCertificateFromFile(hub.Connection.CaCertificate);
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(authority);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        return chain.Build((X509Certificate2)server);
    }

    /// <summary>Connects and puts a token of the device's own.</summary>
    public static async Task<AmqpDeviceClient> ConnectDeviceAsync(TestHub hub, DeviceIdentity device)
    {
        var client = await ConnectAsync(hub);
        Assert.Equal(200, await client.PutTokenAsync(hub.DeviceToken(device)));
        return client;
    }

    /// <summary>Connects and puts a token of a policy for the whole hub.</summary>
    public static async Task<AmqpDeviceClient> ConnectPolicyAsync(TestHub hub, string policy)
    {
        var client = await ConnectAsync(hub);
        Assert.Equal(200, await client.PutTokenAsync(hub.PolicyToken(policy)));
        return client;
    }

    /// <summary>Puts a token and returns the status.</summary>
    public async Task<int> PutTokenAsync(string token) => (await PutTokensAsync([token]))[0];

    /// <summary>Puts tokens over one pair of links and returns their statuses.</summary>
    public async Task<int[]> PutTokensAsync(IReadOnlyList<string> tokens)
    {
        var number = Interlocked.Increment(ref _links);
        var session = new Session(Connection);
        var sender = new SenderLink(session, $"cbs-out{number}", "$cbs");
        var replies = new EventReceiver(session, $"cbs-in{number}", new Attach { Source = new Source { Address = "$cbs" }, Target = new Target { Address = "cbs" } });
        await replies.AttachedAsync();
        replies.Grant(tokens.Count);
        var statuses = new int[tokens.Count];
        for (var i = 0; i < statuses.Length; i++)
        {
            var request = new Message
            {
                Properties = new Properties { MessageId = $"put{i}", ReplyTo = "cbs" },
                ApplicationProperties = new ApplicationProperties
                {
                    ["operation"] = "put-token",
                    ["type"] = "servicebus.windows.net:sastoken",
                    ["name"] = "whatever",
                },
                BodySection = new AmqpValue { Value = tokens[i] },
            };
            await sender.SendAsync(request).WaitAsync(Patience);
            statuses[i] = Assert.IsType<int>((await replies.NextAsync()).ApplicationProperties["status-code"]);
        }

        await session.CloseAsync(Patience, null).WaitAsync(Patience);
        return statuses;
    }

    /// <summary>Tells the hub what became of a delivery without settling it, and waits for the hub's settled answer.</summary>
    public async Task<DeliveryState> SettleSecondAsync(Message message, DeliveryState state)
    {
        // The library's own client always settles first.
        var answer = _answers.Expect(message);
        var delivery = typeof(Message).GetProperty("Delivery", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(message);
        typeof(Session).GetMethod("DisposeDelivery", BindingFlags.Instance | BindingFlags.NonPublic)!.Invoke(Session, [true, delivery, state, false]);
        return await answer.WaitAsync(Patience);
    }

    /// <summary>Attaches a sender and waits for the answer.</summary>
    public async Task<TestSender> SenderAsync(string address, string? name = null, Session? session = null, Action<Attach>? change = null)
    {
        var sender = new TestSender(session ?? Session, name ?? $"sender{Interlocked.Increment(ref _links)}", address, change);
        await sender.AttachedAsync();
        return sender;
    }

    /// <summary>Attaches a receiver and waits for the answer. It has no credit yet.</summary>
    public async Task<EventReceiver> ReceiverAsync(string address, Session? session = null, Action<Attach>? change = null)
    {
        var attach = new Attach { Source = new Source { Address = address }, Target = new Target() };
        change?.Invoke(attach);
        var receiver = new EventReceiver(session ?? Session, $"receiver{Interlocked.Increment(ref _links)}", attach);
        await receiver.AttachedAsync();
        return receiver;
    }

    /// <summary>Reads the events of a partition from its beginning.</summary>
    public async Task<EventReceiver> EventsAsync(int partition = 0)
    {
        var receiver = await ReceiverAsync($"nave/ConsumerGroups/$Default/Partitions/{partition}");
        receiver.Grant(10_000);
        return receiver;
    }

    public async ValueTask DisposeAsync()
    {
        if (!Connection.IsClosed && Connection.Error is null)
        {
            await Connection.CloseAsync(Patience, null).WaitAsync(Patience);
        }
    }
}

/// <summary>Hears the settled dispositions of received deliveries.</summary>
internal sealed class AnswerWatch : IHandler
{
    private readonly ConcurrentDictionary<Message, TaskCompletionSource<DeliveryState>> _expected = new();

    public Task<DeliveryState> Expect(Message message) =>
        _expected.GetOrAdd(message, _ => new TaskCompletionSource<DeliveryState>(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

    public bool CanHandle(EventId id) => id is EventId.DeliveryStateChanged;

    public void Handle(Event protocolEvent)
    {
        var delivery = (IDelivery)protocolEvent.Context;
        if (delivery.Settled && _expected.TryRemove(delivery.Message, out var waiting))
        {
            waiting.SetResult(delivery.State);
        }
    }
}

/// <summary>A sending link that knows whether it is open.</summary>
internal sealed class TestSender
{
    private readonly TaskCompletionSource<Attach> _attached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<Error?> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TestSender(Session session, string name, string address, Action<Attach>? change)
    {
        var attach = new Attach { Source = new Source(), Target = new Target { Address = address } };
        change?.Invoke(attach);
        Link = new SenderLink(session, name, attach, (_, answer) => _attached.TrySetResult(answer));
        Link.AddClosedCallback((_, error) =>
        {
            _attached.TrySetResult(attach);
            _closed.TrySetResult(error);
        });
    }

    public SenderLink Link { get; }

    public bool IsClosed => _closed.Task.IsCompleted;

    public Task<Attach> AttachedAsync() => _attached.Task.WaitAsync(AmqpDeviceClient.Patience);

    /// <summary>Sends and waits for the outcome; null is accepted.</summary>
    public async Task<Error?> SendAsync(Message message)
    {
        try
        {
            await Link.SendAsync(message).WaitAsync(AmqpDeviceClient.Patience);
            return null;
        }
        catch (AmqpException e)
        {
            return e.Error;
        }
    }

    public Task<Error?> SendAsync(string body) => SendAsync(new Message { BodySection = new Data { Binary = Encoding.UTF8.GetBytes(body) } });

    /// <summary>Waits until the server has detached the link and returns its error's condition.</summary>
    public async Task<string> ClosedAsync()
    {
        var error = await _closed.Task.WaitAsync(AmqpDeviceClient.Patience);
        Assert.NotNull(error);
        return error.Condition;
    }
}
