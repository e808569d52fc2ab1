using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Access;
using Nave.Hub.Devices;
using Nave.Hub.Faults;
using Nave.Hub.Heads.Mqtt;
using Nave.Hub.Heartbeats;
using Nave.Hub.Monitoring;
using Nave.Hub.Quotas;
using Nave.Hub.Telemetry;
using Nave.Hub.Tests.Harness;
using Nave.Hub.Twins;
using Nave.Protocol.Access;
using Nave.Protocol.Identities;

namespace Nave.Hub.Tests.Heads.Mqtt;

/// <summary>
/// One MQTT connection behind its CONNECT: the real loop, writer, queue and session, over a pipe pair, with a log that
/// the test commits.
/// </summary>
internal sealed class ConnectionRig : IDisposable
{
    private readonly HubMetrics _metrics = new();
    private readonly MqttTransport _transport;
    private readonly MqttConnection _connection;
    private readonly FaultInjection _faults;

    public ConnectionRig(
        MqttOptions? options = null, MqttTestClient? client = null, bool keepsRecords = true, QuotaOptions? quota = null, AccessOptions? access = null)
    {
        options ??= new MqttOptions();
        Client = client ?? new MqttTestClient();
        var streams = new TelemetryStreams(telemetryPartitions: 1);
        Log = new HeldLog(streams.Telemetry, keepsRecords);
        Wheel = new DeadlineWheel(Time);
        Channel = new MqttChannel(Client.ServerSide.Input);
        _transport = new MqttTransport(
            Client.ServerSide.Input,
            new MqttWriter(Client.ServerSide.Output, Channel, options.MaxUnsentBytes),
            Channel,
            new ConnectionDeadline(Wheel, Time, Channel, options.ConnectTimeout));
        _transport.Deadline.ExpectKeepAlive(60);

        Meter = new HubMeter(new QuotaPlan(quota ?? new QuotaOptions()), Time);
        var telemetry = new TelemetryPipeline(Log, streams);
        _faults = new FaultInjection(isOn: false, Time, NullLogger<FaultInjection>.Instance);
        var id = new IdentityId(DeviceId.Parse("dev"));
        var grant = new AccessGrant
        {
            Kind = CredentialKind.DeviceKey,
            Identity = id,
            GenerationId = "1",
            Rights = AccessRights.DeviceConnect,
            ProofDigest = "digest",
        };

        // A session without a place: what only a place needs is not reached.
        var intake = new HeartbeatIntake(new HeartbeatTable(), new HeartbeatOptions(), Time);
        var limits = new SessionLimits(new DeviceLimits(access ?? new AccessOptions(), Time), Meter, Time);
        var twins = new TwinStore(null!, null!, new TwinWriter(new TwinOptions(), null!, Time)); // Reads patches, and nothing else is asked of it.
        var home = new DeviceSessions(
            null!, null!, null!, null!, telemetry, twins, null!, null!, null!, _faults, intake, limits, Time, NullLogger<DeviceSessions>.Instance);
        Session = new DeviceSession(
            home, telemetry, _faults, intake, limits, new SessionRequest(grant, DeviceProtocol.Mqtt, Channel), default, holdsPlace: false);
        var topics = new MqttTopics(id);
        var subscriptions = new MqttSubscriptions(null!, id, "1", isDurable: false, topics, []);
        var signals = new MqttSignals(NullLogger<MqttSignals>.Instance, _metrics, Time);
        _connection = new MqttConnection(
            _transport,
            new MqttAccepted(Session, topics, subscriptions, Will: null),
            new MqttPeer("test", DeviceProtocol.Mqtt, Address: null),
            signals,
            options,
            Time);
        Running = _connection.RunAsync();
    }

    public FakeTimeProvider Time { get; } = new();

    public MqttTestClient Client { get; }

    public HeldLog Log { get; }

    public HubMeter Meter { get; }

    public DeviceSession Session { get; }

    public DeadlineWheel Wheel { get; }

    public MqttChannel Channel { get; }

    /// <summary>The loop, from the start.</summary>
    public Task<CloseReason> Running { get; }

    public async Task<CloseReason> WaitForEndAsync() => await Running.WaitAsync(TimeSpan.FromSeconds(10));

    public ValueTask AwaitAcknowledgementsAsync(CancellationToken deadline) => _connection.AwaitAcknowledgementsAsync(deadline);

    public void Dispose()
    {
        Channel.Close(CloseReason.Forced);
        _transport.Deadline.Dispose();
        Wheel.Dispose();
        _faults.Dispose();
        _metrics.Dispose();
    }
}
