using System.Security.Cryptography.X509Certificates;
using System.Text;
using Amqp;
using Amqp.Framing;
using Amqp.Handler;

namespace Nave.Conformance.Tests.Harness;

/// <summary>A device on AMQP over TLS, with a client of another maker: SASL PLAIN, one telemetry link.</summary>
internal sealed class AmqpDoor : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly TaskCompletionSource<Error?> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Connection _connection;
    private readonly SenderLink _link;

    private AmqpDoor(Connection connection, SenderLink link)
    {
        _connection = connection;
        _link = link;
        link.AddClosedCallback((_, error) => _ended.TrySetResult(error));
        connection.AddClosedCallback((_, error) => _ended.TrySetResult(error));
    }

    /// <summary>The end of the link or the connection, with the hub's error.</summary>
    public Task<Error?> Ended => _ended.Task;

    /// <summary>Connects and attaches; the device may send.</summary>
    public static async Task<AmqpDoor> OpenAsync(OutsideHub hub, string device, string token)
    {
        var connection = await ConnectAsync(hub, $"{device}@sas.{hub.Address.Split('.')[0]}", token);
        var attached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var link = new SenderLink(
            new Session(connection),
            "telemetry",
            new Attach { Source = new Source(), Target = new Target { Address = $"/devices/{device}/messages/events" } },
            (_, _) => attached.TrySetResult());
        var door = new AmqpDoor(connection, link);
        await attached.Task.WaitAsync(Patience);
        return door;
    }

    /// <summary>Connects with SASL PLAIN; the handler hears what the client's own interface does not tell.</summary>
    public static Task<Connection> ConnectAsync(OutsideHub hub, string user, string token, IHandler? handler = null)
    {
        var factory = new ConnectionFactory();
        factory.SSL.RemoteCertificateValidationCallback = (_, certificate, chain, _) =>
        {
            chain!.ChainPolicy = MqttDoor.TrustOf(hub);
            return chain.Build((X509Certificate2)certificate!);
        };
        return factory.CreateAsync(new Address(hub.Address, 5671, user, token, "/", "amqps"), handler);
    }

    /// <summary>Sends and completes when the hub has accepted.</summary>
    public Task SendAsync(string body) => _link.SendAsync(new Message { BodySection = new Data { Binary = Encoding.UTF8.GetBytes(body) } });

    /// <summary>Closes a connection that may be gone.</summary>
    public static async Task CloseAsync(Connection connection)
    {
        try
        {
            await connection.CloseAsync(Patience, null);
        }
        catch (Exception e) when (e is AmqpException or IOException or ObjectDisposedException or TimeoutException)
        {
            // The hub has closed it, or has gone.
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await CloseAsync(_connection);
}
