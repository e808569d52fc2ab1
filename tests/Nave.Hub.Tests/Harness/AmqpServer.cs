using System.Buffers;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Nave.EventLog;
using Nave.Hub.Access;
using Nave.Hub.Heads;
using Nave.Hub.Heads.Amqp;
using Nave.Hub.Telemetry;
using Nave.Protocol.Access;
using Nave.Protocol.Messages;
using Nave.TestKit;

namespace Nave.Hub.Tests.Harness;

/// <summary>The AMQP head on a loopback port, with a real log on a simulated disk and policies in memory.</summary>
internal sealed class AmqpServer : IAsyncDisposable
{
    public const string EventHub = "nave";

    private readonly EmbeddedEventLog _log;
    private readonly TelemetryPipeline _pipeline;
    private readonly Dictionary<string, TelemetrySender> _senders = [];
    private WebApplication? _application;

    private AmqpServer(EmbeddedEventLog log, TelemetryStreams streams, TimeProvider time, AmqpOptions options, StrictLogger logger)
    {
        Logger = logger;
        _log = log;
        _pipeline = new TelemetryPipeline(log, streams);
        Policies = new PolicyTable(time, options.EventHubName);
        OwnerKey = Policies.Add("owner", (AccessRights)15);
        Policies.Add("service", AccessRights.ServiceConnect);
        Policies.Add("device", AccessRights.DeviceConnect);
        Readers = new EventReaders(log, streams);
        Head = new AmqpHead(options, Policies, Readers, Groups, time, new LoggerAdapter(Logger));
        Options = options;
    }

    public StrictLogger Logger { get; }

    public PolicyTable Policies { get; }

    public string OwnerKey { get; }

    public ConsumerGroups Groups { get; } = new();

    public EventReaders Readers { get; }

    public AmqpHead Head { get; }

    public AmqpOptions Options { get; }

    public int Port { get; private set; }

    /// <summary>Where the WebSocket addresses are.</summary>
    public int HttpPort { get; private set; }

    public static async Task<AmqpServer> StartAsync(
        TimeProvider? time = null, int partitions = 4, Action<KestrelServerOptions>? listen = null, AmqpOptions? options = null,
        StrictLogger? logger = null)
    {
        var streams = new TelemetryStreams(partitions);
        var log = await EmbeddedEventLog.OpenAsync(
            new EventLogOptions { Streams = streams.All, SegmentBytes = 4 << 20, QuickSegmentBytes = 1 << 20, MaxSegmentsAhead = 1 },
            new SimulatedDisk(), TimeProvider.System, NullLogger.Instance);
        var server = new AmqpServer(log, streams, time ?? TimeProvider.System, options ?? new AmqpOptions { EventHubName = EventHub }, logger ?? new StrictLogger());
        await server.ListenAsync(listen);
        return server;
    }

    /// <summary>A token for the resource, signed as Event Hubs clients do.</summary>
    public string Token(string policy = "owner", string? resource = null, DateTimeOffset? expiresAt = null, string? key = null)
    {
        key ??= Policies.Add(policy, policy switch { "owner" => (AccessRights)15, "device" => AccessRights.DeviceConnect, _ => AccessRights.ServiceConnect });
        return SasToken.Mint(
            resource ?? "127.0.0.1", Convert.ToBase64String(Encoding.UTF8.GetBytes(key)),
            expiresAt ?? Head.Time.GetUtcNow().AddHours(1), policy);
    }

    /// <summary>Takes a message into the log as a device would bring it, and waits until it is durable.</summary>
    public async Task SendAsync(string device, params string[] bodies)
    {
        if (!_senders.TryGetValue(device, out var sender))
        {
            var id = new Protocol.Identities.IdentityId(Protocol.Identities.DeviceId.Parse(device));
            _senders[device] = sender = _pipeline.CreateSender(
                new AccessGrant { Kind = CredentialKind.DeviceKey, Identity = id, GenerationId = "638", Rights = AccessRights.DeviceConnect, ProofDigest = "" },
                modelId: null);
        }

        LogPosition last = default;
        foreach (var body in bodies)
        {
            var properties = TelemetryProperties.From(new MessageProperties { ContentType = "application/json", Application = [new("level", "ü")] });
            var result = _pipeline.TryAppend(sender, properties, new ReadOnlySequence<byte>(Encoding.UTF8.GetBytes(body)), waiter: null);
            Assert.Equal(AppendOutcome.Taken, result.Outcome);
            last = result.Position;
        }

        await _log.WaitForCommitAsync(last, CancellationToken.None);
    }

    /// <summary>Puts a record into the log as it is, and waits until it is durable.</summary>
    public async Task AppendAsync(int partition, byte[] record)
    {
        Assert.Equal(AppendOutcome.Taken, _log.TryAppend(Readers.Find(partition)!.Value, new RecordParts(record), waiter: null, out LogPosition position));
        await _log.WaitForCommitAsync(position, CancellationToken.None);
    }

    /// <summary>The partition that the device's messages go to.</summary>
    public int PartitionOf(string device) => PartitionOfDevice.Of(device, Readers.Partitions);

    public async ValueTask DisposeAsync()
    {
        Head.Dispose();
        if (_application is { } application)
        {
            await application.StopAsync();
            await application.DisposeAsync();
        }

        await _log.DisposeAsync();
        Logger.ThrowIfUnexpected();
    }

    private async Task ListenAsync(Action<KestrelServerOptions>? listen)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton(Head);
        builder.Services.AddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<IWebSocketHead, AmqpWebSockets>();
        builder.Services.AddRouting();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0, endpoint => endpoint.UseConnectionHandler<AmqpConnectionHandler>());
            kestrel.Listen(IPAddress.Loopback, 0, endpoint => endpoint.Protocols = HttpProtocols.Http1);
            listen?.Invoke(kestrel);
        });
        _application = builder.Build();
        _application.UseWebSockets();
        _application.MapWebSocketHeads();
        await _application.StartAsync();
        var addresses = _application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;
        Port = new Uri(addresses.First()).Port;
        HttpPort = new Uri(addresses.ElementAt(1)).Port;
    }

    private sealed class LoggerAdapter(ILogger logger) : ILogger<AmqpHead>
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => logger.BeginScope(state);

        public bool IsEnabled(LogLevel logLevel) => logger.IsEnabled(logLevel);

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            logger.Log(logLevel, eventId, state, exception, formatter);
    }
}
