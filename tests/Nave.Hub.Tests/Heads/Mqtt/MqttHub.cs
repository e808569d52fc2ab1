using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Access;
using Nave.Hub.Commands;
using Nave.Hub.Devices;
using Nave.Hub.Faults;
using Nave.Hub.Heads.Mqtt;
using Nave.Hub.Heartbeats;
using Nave.Hub.Methods;
using Nave.Hub.Monitoring;
using Nave.Hub.Quotas;
using Nave.Hub.Telemetry;
using Nave.Hub.Tests.Devices;
using Nave.Hub.Tests.Harness;
using Nave.Hub.Twins;
using Nave.Mqtt;
using Nave.Protocol.Access;

namespace Nave.Hub.Tests.Heads.Mqtt;

/// <summary>
/// The whole MQTT head over the real registry, access, sessions and stores, on a fake clock and pipe pairs; the log is
/// the test's. Disposing of it fails the test if anything was logged above Debug.
/// </summary>
internal sealed class MqttHub : IAsyncDisposable
{
    public const string Host = "hub.nave.test";

    private readonly RegistryHarness _registry;
    private readonly HubMetrics _metrics = new();
    private readonly TestLog _logged = new();
    private readonly LoggerFactory _loggers;
    private readonly DeadlineWheel _wheel;
    private readonly LiveAccessTable _liveAccess;
    private readonly MqttConnectionHandler _head;
    private readonly Lifetime _lifetime = new();
    private readonly ConcurrentDictionary<MqttTestClient, Task<bool>> _served = new();

    private MqttHub(RegistryHarness registry, MqttOptions options, QuotaOptions quota, AccessOptions accessOptions)
    {
        _registry = registry;
        _loggers = new LoggerFactory([_logged], new LoggerFilterOptions { MinLevel = LogLevel.Trace });
        var streams = new TelemetryStreams(telemetryPartitions: 4);
        Log = new HeldLog(streams.Telemetry);
        Telemetry = new TelemetryPipeline(Log, streams);
        var names = new HubNames(Host, ["127.0.0.1"]);
        var identities = new RegistryIdentities(registry.Registry);
        Policies = new PolicyRegistry(new InMemoryPolicyStore(), Time, Logger<PolicyRegistry>());
        var authorities = new CertificateAuthorities(new InMemoryAuthorityStore(), Time, Logger<CertificateAuthorities>());
        var access = new AccessControl(identities, Policies, authorities, names, accessOptions, Time, Logger<AccessControl>());
        _liveAccess = new LiveAccessTable(access, identities, Policies, authorities, Time, Logger<LiveAccessTable>());
        var table = new SessionTable(registry.Node);
        var twins = new TwinStore(registry.Database, new TwinReader(registry.Presence), registry.Twins);
        var calls = new MethodCalls(MethodOptions, RandomId.New);
        var methods = new MethodRoute(table, calls, registry.Node);
        Commands = new CommandStore(registry.Database);
        Directory = new InProcessDeviceDirectory(id => new DeviceActor(id, new ActorParts(
            id => new CommandBox(
                id, Commands, new CommandOptions(), new CommandRoute(table), new CommandClock(), Time, () => Guid.Empty),
            id => new TwinBox(id, twins, new TwinRoute(table)),
            () => new MethodWatch(methods))));
        Meter = new HubMeter(new QuotaPlan(quota), Time);
        Sessions = new DeviceSessions(
            Directory, access, _liveAccess, registry.Presence, Telemetry, twins, methods, table, registry.Node,
            new FaultInjection(isOn: false, Time, Logger<FaultInjection>()), new HeartbeatIntake(new HeartbeatTable(), new HeartbeatOptions(), Time),
            new SessionLimits(new DeviceLimits(accessOptions, Time), Meter, Time), Time, Logger<DeviceSessions>());
        Methods = new MethodCaller(registry.Registry, Directory, methods, calls, MethodOptions, registry.Node, _metrics, Meter, Time, _lifetime);
        var signals = new MqttSignals(Logger<MqttSignals>(), _metrics, Time);
        _wheel = new DeadlineWheel(Time);
        _head = new MqttConnectionHandler(
            new MqttAccept(names, access, Sessions, registry.Subscriptions, signals), _wheel, signals, options, Time, _lifetime);
    }

    public FakeTimeProvider Time => _registry.Time;

    public HeldLog Log { get; }

    public TelemetryPipeline Telemetry { get; }

    public DeviceSessions Sessions { get; }

    public HubMeter Meter { get; }

    public IDeviceDirectory Directory { get; }

    public CommandStore Commands { get; }

    public MethodCaller Methods { get; }

    public MethodOptions MethodOptions { get; } = new();

    public PolicyRegistry Policies { get; }

    public RegistryHarness Registry => _registry;

    /// <summary>Event ids above Debug that the test provokes.</summary>
    public ISet<int> ExpectedErrors { get; } = new HashSet<int>();

    public IReadOnlyCollection<LogLine> Logged => _logged.Lines;

    public static async Task<MqttHub> CreateAsync(MqttOptions? options = null, QuotaOptions? quota = null, AccessOptions? access = null)
    {
        var hub = new MqttHub(await RegistryHarness.CreateAsync(), options ?? new MqttOptions(), quota ?? new QuotaOptions(), access ?? new AccessOptions());
        await hub.Policies.LoadAsync([], overwrite: false, CancellationToken.None);
        await hub._liveAccess.StartAsync(CancellationToken.None);
        await hub.CreateDeviceAsync("dev");
        return hub;
    }

    /// <summary>Makes a device or module with <see cref="RegistryHarness.KeyA"/>.</summary>
    public Task CreateDeviceAsync(string id) => _registry.CreateAsync(
        id, new AuthenticationDraft { Type = "sas", PrimaryKey = RegistryHarness.KeyA, SecondaryKey = RegistryHarness.KeyB });

    /// <summary>Opens a transport connection: nothing has been said yet.</summary>
    public MqttTestClient Open(X509Certificate2? certificate = null)
    {
        var client = new MqttTestClient();
        var peer = new MqttPeer("test", DeviceProtocol.Mqtt, IPAddress.Loopback, certificate);
        _served[client] = _head.ServeAsync(client.ServerSide, peer).ContinueWith(
            served =>
            {
                // What Kestrel does when a handler returns.
                client.ServerSide.Output.Complete();
                client.ServerSide.Input.Complete();
                return served.IsCompletedSuccessfully && served.Result;
            },
            TaskScheduler.Default);
        return client;
    }

    /// <summary>Opens, sends a CONNECT and gives back what it was answered with.</summary>
    public async Task<(MqttTestClient Client, ConnectReturnCode Code, bool SessionPresent)> ConnectAsync(
        ConnectPacket packet, X509Certificate2? certificate = null)
    {
        var client = Open(certificate);
        await client.SendConnectAsync(packet);
        var (code, sessionPresent) = await client.ExpectConnAckAsync();
        return (client, code, sessionPresent);
    }

    /// <summary>Connects a device or module that must be accepted.</summary>
    public async Task<MqttTestClient> AcceptAsync(string id = "dev", bool cleanSession = false, Will? will = null, ushort keepAlive = 60)
    {
        var (client, code, _) = await ConnectAsync(Connect(id, cleanSession, will, keepAlive));
        Assert.Equal(ConnectReturnCode.Accepted, code);
        return client;
    }

    /// <summary>A CONNECT as the SDKs send it.</summary>
    public ConnectPacket Connect(
        string id = "dev", bool cleanSession = false, Will? will = null, ushort keepAlive = 60, string? userName = null, string? clientId = null,
        string? token = null) => new()
        {
            ClientId = clientId ?? id,
            CleanSession = cleanSession,
            KeepAliveSeconds = keepAlive,
            Will = will,
            UserName = userName ?? $"{Host}/{id}/?api-version=2021-04-12&DeviceClientType=test",
            Password = System.Text.Encoding.UTF8.GetBytes(token ?? Token(id)),
        };

    public string Token(string id = "dev", string key = RegistryHarness.KeyA, TimeSpan? validFor = null) => SasToken.Mint(
        Host + RegistryHarness.Id(id).ToPath(), key, Time.GetUtcNow() + (validFor ?? TimeSpan.FromHours(1)), null);

    /// <summary>Waits until the head has done everything for a connection.</summary>
    public async Task<bool> WaitForServedAsync(MqttTestClient client) => await _served[client].WaitAsync(TimeSpan.FromSeconds(10));

    /// <summary>The hub begins to stop.</summary>
    public void Drain() => _lifetime.Stop();

    public async ValueTask DisposeAsync()
    {
        Sessions.CloseAll(CloseReason.Forced);
        Log.Fail();
        foreach (var (client, served) in _served)
        {
            client.Drop();
            await served.WaitAsync(TimeSpan.FromSeconds(10));
        }

        await _liveAccess.DisposeAsync();
        _wheel.Dispose();
        await _registry.DisposeAsync();
        _loggers.Dispose();
        _lifetime.Dispose();
        _metrics.Dispose();
        Assert.DoesNotContain(
            _logged.Lines,
            line => line.Level > LogLevel.Debug
                && !ExpectedErrors.Contains(line.Id)
                && !line.Category.EndsWith("PolicyRegistry", StringComparison.Ordinal));
    }

    private ILogger<T> Logger<T>() => _loggers.CreateLogger<T>();

    private sealed class Lifetime : IHostApplicationLifetime, IDisposable
    {
        private readonly CancellationTokenSource _stopping = new();

        public CancellationToken ApplicationStarted => CancellationToken.None;

        public CancellationToken ApplicationStopping => _stopping.Token;

        public CancellationToken ApplicationStopped => CancellationToken.None;

        public void Stop() => _stopping.Cancel();

        public void Dispose() => _stopping.Dispose();

        public void StopApplication() => Stop();
    }
}
