using System.Net.Sockets;
using System.Security.Authentication;
using System.Threading.Channels;
using Amqp;
using Amqp.Framing;
using Amqp.Sasl;
using Amqp.Types;
using Nave.Cli.Hubs;
using Nave.Protocol.Access;

namespace Nave.Cli.Events;

/// <summary>
/// A reader of an events endpoint, Nave's or Azure's, as Event Hubs clients are: CBS for access, <c>$management</c> for
/// the partitions, one link each (spec/events-endpoint.md 2, 3, 5).
/// </summary>
internal sealed class EventsClient : IAsyncDisposable
{
    private const uint Credit = 300;

    // What waits to be shown: a slow screen makes the links wait, not memory grow.
    private const int QueueLength = 2000;
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(20);

    private readonly Connection _connection;
    private readonly Session _session;
    private readonly ConnectionString _endpoint;
    private readonly CbsClient _cbs;

    private EventsClient(Connection connection, ConnectionString endpoint)
    {
        _connection = connection;
        _session = new Session(connection);
        _endpoint = endpoint;
        _cbs = new CbsClient(_session);
    }

    /// <summary>The partitions' ids.</summary>
    public IReadOnlyList<string> Partitions { get; private set; } = [];

    /// <summary>Connects and asks for the partitions.</summary>
    /// <exception cref="CommandFailedException">It cannot be reached or refuses.</exception>
    public static async Task<EventsClient> ConnectAsync(HubTarget hub, TimeProvider time, string entitySuffix = "")
    {
        try
        {
            var endpoint = hub.Events ?? await EventsRedirect.FollowAsync(hub, time);
            endpoint = endpoint with { EntityPath = endpoint.EntityPath + entitySuffix };
            var connection = await OpenAsync(hub, endpoint.Host, SaslProfile.Anonymous);
            var client = new EventsClient(connection, endpoint);
            try
            {
                await client.AuthorizeAsync("$management", time);
                client.Partitions = await client.ReadPartitionsAsync();
                return client;
            }
            catch
            {
                await client.DisposeAsync();
                throw;
            }
        }
        catch (Exception e) when (e is AmqpException or SocketException or IOException or AuthenticationException or TimeoutException)
        {
            throw new CommandFailedException($"The events endpoint of {hub.Host}:{hub.AmqpsPort} cannot be read: {e.Message}");
        }
    }

    /// <summary>Opens an AMQP connection over TLS or a transport of the caller's; without a SASL profile, user and password are given in PLAIN.</summary>
    public static async Task<Connection> OpenAsync(
        HubTarget hub, string host, SaslProfile? sasl, string? user = null, string? password = null, AmqpWebSockets? transport = null)
    {
        var factory = transport is null ? new ConnectionFactory() : new ConnectionFactory([transport]);
        if (sasl is not null)
        {
            factory.SASL.Profile = sasl;
        }

        factory.AMQP.ContainerId = $"nave-{Environment.ProcessId}";
        factory.AMQP.HostName = host;
        if (Trust.PolicyOf(hub.CaCertificate) is { } policy)
        {
            factory.SSL.RemoteCertificateValidationCallback = (_, certificate, chain, errors) => CaTrust.Accepts(policy, certificate, errors);
        }

        return await factory.CreateAsync(transport is null
            ? new Address(host, hub.AmqpsPort, user, password, "/", "amqps")
            : new Address(host, hub.HttpsPort, user, password, "/", AmqpWebSockets.Scheme));
    }

    /// <summary>Reads partitions until cancelled. Events of one partition come in order.</summary>
    public async IAsyncEnumerable<ReceivedEvent> ReadAsync(
        string group, IReadOnlyList<string> partitions, EventStart start, TimeProvider time,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken stopping)
    {
        var events = Channel.CreateBounded<ReceivedEvent>(new BoundedChannelOptions(QueueLength) { SingleReader = true });
        using var end = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var readers = partitions.Select(partition => PumpAsync(group, partition, start, time, events.Writer, end.Token)).ToList();
        try
        {
            await foreach (var next in events.Reader.ReadAllAsync(stopping))
            {
                yield return next;
            }
        }
        finally
        {
            await end.CancelAsync();
            await Task.WhenAll(readers);
        }
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

        _cbs.Dispose();
    }

    private async Task PumpAsync(
        string group, string partition, EventStart start, TimeProvider time, ChannelWriter<ReceivedEvent> events, CancellationToken stopping)
    {
        try
        {
            var entity = $"{_endpoint.EntityPath}/ConsumerGroups/{group}/Partitions/{partition}";
            await AuthorizeAsync(entity, time);
            var link = new ReceiverLink(_session, $"nave-{partition}-{Environment.ProcessId}", Attach(entity, start), null);
            link.SetCredit((int)Credit);
            while (!stopping.IsCancellationRequested)
            {
                // Short, so that a stop is noticed: this client's receive takes no token.
                if (await link.ReceiveAsync(TimeSpan.FromMilliseconds(500)) is { } message)
                {
                    link.Accept(message);
                    await events.WriteAsync(ReceivedEvent.Of(partition, message), stopping);
                }
                else if (link.IsClosed)
                {
                    throw new CommandFailedException($"The reader of partition {partition} was closed by the hub: {Explain(link.Error)}");
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Told to stop.
        }
        catch (Exception e) when (e is AmqpException or CommandFailedException or TimeoutException or IOException or ObjectDisposedException)
        {
            events.TryComplete(stopping.IsCancellationRequested ? null : e as CommandFailedException ?? new CommandFailedException(
                $"Reading partition {partition} ended: {e.Message}"));
        }
    }

    private static Attach Attach(string entity, EventStart start)
    {
        var name = new Symbol("apache.org:selector-filter:string");
        return new Attach
        {
            Source = new Source { Address = entity, FilterSet = new Map { [name] = new DescribedValue(name, start.Selector) } },
            Target = new Target(),
            SndSettleMode = SenderSettleMode.Settled,
        };
    }

    private static string Explain(Error? error) => error is null ? "no reason given" : error.Description ?? error.Condition?.ToString() ?? "";

    private Task AuthorizeAsync(string entity, TimeProvider time)
    {
        var audience = $"sb://{_endpoint.Host}/{entity}";
        return _cbs.PutTokenAsync(audience, EventsToken.Of(_endpoint, audience, time), Timeout);
    }

    private async Task<IReadOnlyList<string>> ReadPartitionsAsync()
    {
        var replies = new ReceiverLink(
            _session, "nave-management-replies",
            new Attach { Source = new Source { Address = "$management" }, Target = new Target { Address = "nave-management" } }, null);
        var requests = new SenderLink(_session, "nave-management-requests", "$management");
        replies.SetCredit(10);
        var request = new Message
        {
            Properties = new Properties { MessageId = "1", ReplyTo = "nave-management" },
            ApplicationProperties = new ApplicationProperties
            {
                ["operation"] = "READ",
                ["name"] = _endpoint.EntityPath,
                ["type"] = "com.microsoft:eventhub",
                ["security_token"] = EventsToken.Of(_endpoint, $"sb://{_endpoint.Host}/$management", TimeProvider.System),
            },
            BodySection = new Data { Binary = "[]"u8.ToArray() },
        };
        await requests.SendAsync(request, Timeout);
        var reply = await replies.ReceiveAsync(Timeout) ?? throw new TimeoutException("The hub did not say which partitions there are.");
        replies.Accept(reply);
        return reply.Body is Map map && map["partition_ids"] is string[] ids
            ? ids
            : throw new CommandFailedException($"The hub refused to name its partitions: {reply.ApplicationProperties?["status-description"]}");
    }
}
