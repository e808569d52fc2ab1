using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Channels;
using Amqp;
using Amqp.Framing;
using Amqp.Listener;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// The AMQP engine with everything of its own switched off that does not fit a hub: listener, SASL, link names per
/// container. Connections come in through <see cref="Begin"/>, links go out to their connection.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "A provider that only waits; it lives as long as the program.")]
internal sealed class AmqpContainer : IContainer
{
    private const string Scheme = "nave";

    private readonly Provider _provider = new();

    // Never closed: the head ends its connections itself, and the library's close throws for any that has just ended.
    private readonly ConnectionListener _listener;

    public AmqpContainer()
    {
        CustomTransports = new Dictionary<string, TransportProvider>(StringComparer.OrdinalIgnoreCase) { [Scheme] = _provider };
        _listener = new ConnectionListener(new Address("hub", 1, null, null, "/", Scheme), this)
        {
            // One accept at a time: the provider knows whose it is (ConnectionListener.CustomTransportListener).
            HandlerFactory = _ => _provider.Accepted!,
        };
        _listener.AMQP.MaxSessionsPerConnection = AmqpConnection.ChannelMax + 1;
        _listener.AMQP.MaxLinksPerSession = 256; // spec/device-amqp.md 12: handle-max 255.
        _listener.AMQP.MaxFrameSize = AmqpFrame.MaxBytes;
        _listener.AMQP.ContainerId = "nave";
        _listener.Open();
    }

    public X509Certificate2? ServiceCertificate => null;

    public IDictionary<string, TransportProvider> CustomTransports { get; }

    /// <summary>Hands a connection to the engine.</summary>
    public void Begin(AmqpConnection connection) => _provider.Connections.Writer.TryWrite(connection);

    /// <summary>Messages are decoded by whoever knows what to expect of them.</summary>
    public Message CreateMessage(ByteBuffer buffer) => new RawMessage(buffer);

    public Link CreateLink(ListenerConnection connection, ListenerSession session, Attach attach) => new ListenerLink(session, attach);

    public bool AttachLink(ListenerConnection connection, ListenerSession session, Link link, Attach attach)
    {
        ((AmqpConnection)connection.Handler).Attach(session, (ListenerLink)link, attach);
        return false; // The handler has completed it.
    }

    private sealed class Provider : TransportProvider
    {
        // Bounded by the number of connections, each of which writes once.
        public Channel<AmqpConnection> Connections { get; } = Channel.CreateUnbounded<AmqpConnection>(new UnboundedChannelOptions { SingleReader = true });

        public AmqpConnection? Accepted { get; private set; }

        public override async Task<IAsyncTransport> CreateAsync(Address address)
        {
            // Completes or waits, for ever if need be: the library's accept loop would spin on an exception.
            Accepted = await Connections.Reader.ReadAsync();
            return Accepted.Transport;
        }
    }
}
