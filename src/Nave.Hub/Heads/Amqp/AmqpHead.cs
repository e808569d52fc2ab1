using System.Collections.Concurrent;
using System.IO.Pipelines;
using Amqp.Framing;
using Amqp.Types;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Nave.Hub.Devices;
using Nave.Hub.Telemetry;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// The AMQP 1.0 front end: takes connections from Kestrel or a WebSocket, runs them, watches their clocks, ends them.
/// Owns the engine and the set of connections.
/// </summary>
internal sealed class AmqpHead : IDisposable
{
    /// <summary>How often deadlines and idle time-outs are looked at.</summary>
    public static readonly TimeSpan SweepInterval = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<AmqpConnection, byte> _connections = new();
    private readonly AmqpContainer _container = new();
    private readonly ITimer _sweeper;
    private long _events;
    private long _bytes;

    public AmqpHead(
        AmqpOptions options,
        IAmqpAccess access,
        EventReaders readers,
        ConsumerGroups groups,
        TimeProvider time,
        ILogger<AmqpHead> logger,
        IEnumerable<ILinkFamily>? families = null)
    {
        Options = options;
        Access = access;
        Time = time;
        Logger = logger;
        Sasl = new SaslJudge(access, options, logger);
        Templates = CreateTemplates(readers, groups, families ?? []);
        _sweeper = time.CreateTimer(static self => ((AmqpHead)self!).Sweep(), this, SweepInterval, SweepInterval);
    }

    public AmqpOptions Options { get; }

    public IAmqpAccess Access { get; }

    public TimeProvider Time { get; }

    public ILogger Logger { get; }

    public SaslJudge Sasl { get; }

    public LinkTemplates Templates { get; }

    /// <summary>Connections now, for metrics.</summary>
    public int Connections => _connections.Count;

    /// <summary>Events delivered since the start, for metrics.</summary>
    public long Events => Interlocked.Read(ref _events);

    /// <summary>Bytes of stored events delivered since the start, for metrics.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Runs one connection to its end; never throws for anything the peer can cause.</summary>
    /// <param name="pipe">Its bytes: of TCP, TLS or a WebSocket.</param>
    /// <param name="peer">Who it is, as far as the transport knows.</param>
    /// <param name="draining">The hub stops: the peer is told and the connection ends in good order.</param>
    /// <param name="closed">The transport is gone.</param>
    public async Task<CloseReason> RunAsync(IDuplexPipe pipe, AmqpPeer peer, CancellationToken draining, CancellationToken closed)
    {
        var connection = new AmqpConnection(this, pipe, peer);
        _connections.TryAdd(connection, 0);
        try
        {
            await using (draining.UnsafeRegister(static self => Stop((AmqpConnection)self!), connection))
            {
                return await connection.RunAsync(closed);
            }
        }
        finally
        {
            _connections.TryRemove(connection, out _);
        }
    }

    /// <summary>Ends every connection in good order. Returns at once; connections end within seconds.</summary>
    public void Stop()
    {
        foreach (var connection in _connections.Keys)
        {
            Stop(connection);
        }
    }

    /// <summary>Hands a connection to the engine.</summary>
    public void Begin(AmqpConnection connection) => _container.Begin(connection);

    /// <summary>Counts delivered events.</summary>
    public void OnDelivered(int events, long bytes)
    {
        Interlocked.Add(ref _events, events);
        Interlocked.Add(ref _bytes, bytes);
    }

    public void Dispose()
    {
        _sweeper.Dispose();
        Stop();
    }

    private static void Stop(AmqpConnection connection) =>
        connection.Close(CloseReason.HubStopping, new Error(new Symbol("amqp:connection:forced")) { Description = "The hub is stopping." });

    private void Sweep()
    {
        foreach (var connection in _connections.Keys)
        {
            connection.Sweep();
        }
    }

    private LinkTemplates CreateTemplates(EventReaders readers, ConsumerGroups groups, IEnumerable<ILinkFamily> families)
    {
        var events = new EventsEntity(Options.EventHubName, "messages/events", readers);
        var operations = new EventsEntity($"{Options.EventHubName}-operations", "messages/operationsMonitoringEvents", readers.Operations);
        var management = new ManagementLinks([events, operations], Time.GetUtcNow());
        var devices = new UnbuiltLinks("device links");
        var commands = new UnbuiltLinks("cloud-to-device messages");
        return new LinkTemplates(
        [
            new LinkTemplate("$cbs", new CbsLinks()),
            new LinkTemplate("$management", management),
            new LinkTemplate($"{events.Name}/$management", management),
            new LinkTemplate($"{events.Name}/ConsumerGroups/*/Partitions/*", new EventsLinks(events, groups, this)),
            new LinkTemplate($"{operations.Name}/$management", management),
            new LinkTemplate($"{operations.Name}/ConsumerGroups/*/Partitions/*", new EventsLinks(operations, groups, this)),
            new LinkTemplate("messages/events/**", new RedirectLinks(Options, events)),
            new LinkTemplate("messages/operationsMonitoringEvents/**", new RedirectLinks(Options, operations)),
            .. families.SelectMany(family => family.Templates),
            new LinkTemplate("messages/devicebound", commands),
            new LinkTemplate("messages/servicebound/feedback", new UnbuiltLinks("feedback")),
            new LinkTemplate("messages/servicebound/filenotifications", new UnbuiltLinks("file notifications")),
            new LinkTemplate("messages/servicebound/fileuploadnotifications", new UnbuiltLinks("file notifications")),
            new LinkTemplate("devices/**", devices),
        ]);
    }
}

/// <summary>Puts the head together.</summary>
internal static class AmqpRegistration
{
    /// <summary>
    /// Adds the AMQP head and the readers behind it. Needs the event log, its streams, Access and a clock from elsewhere;
    /// listeners use <see cref="AmqpConnectionHandler"/>.
    /// </summary>
    public static IServiceCollection AddAmqp(this IServiceCollection services, Action<AmqpOptions>? configure = null)
    {
        var options = new AmqpOptions();
        configure?.Invoke(options);
        services.TryAddSingleton(options);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<ConsumerGroups>();
        services.TryAddSingleton<EventReaders>();
        services.TryAddSingleton<IAmqpAccess, AmqpAccess>();
        services.TryAddSingleton<AmqpHead>();
        services.TryAddSingleton<AmqpConnectionHandler>();
        services.AddSingleton<ILinkFamily, DeviceLinks>();
        services.AddSingleton<ILinkFamily, CommandServiceLinks>();
        services.AddSingleton<IWebSocketHead, AmqpWebSockets>();
        return services;
    }
}
