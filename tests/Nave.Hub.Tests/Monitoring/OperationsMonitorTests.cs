using System.Buffers;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Nave.EventLog;
using Nave.Hub.Access;
using Nave.Hub.Commands;
using Nave.Hub.Devices;
using Nave.Hub.Heads.Http;
using Nave.Hub.Hosting;
using Nave.Hub.Monitoring;
using Nave.Hub.Telemetry;
using Nave.Hub.Tests.Heads.Mqtt;
using Nave.Protocol;
using Nave.Protocol.Access;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;
using Nave.Protocol.Messages;
using Nave.Tests;

namespace Nave.Hub.Tests.Monitoring;

/// <summary>Operations events on their way to the log: what they look like, and that they are in nobody's way.</summary>
public sealed class OperationsMonitorTests
{
    private static readonly OperationsFault TooLarge = OperationsFault.Of(HubFailures.MessageTooLarge);
    private static readonly HashSet<string> Schema =
    [
        "time", "operationName", "category", "level", "statusCode", "statusType", "statusDescription", "deviceId", "protocol", "durationMs", "authType",
        "messageSizeInBytes", "batching", "deliveryAcknowledgement", "userAgent", "sharedAccessPolicy",
        "EventProcessedUtcTime", "PartitionId", "EventEnqueuedUtcTime",
    ];

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    [Fact]
    [Conformance("heartbeat-monitoring", 21)]
    public async Task A_log_that_takes_no_events_delays_no_message_and_no_command_and_each_drop_is_counted()
    {
        await using var hub = await MqttHub.CreateAsync();
        var log = new StalledLog();
        using var monitor = Create(log, new OperationsOptions { Commands = OperationsLevel.Information });
        await monitor.StartAsync(Stopping);
        monitor.Tell(Command());
        await log.Asked.WaitAsync(Stopping); // It holds the first event, for which there is no room.
        for (var i = 0; i < OperationsMonitor.QueueLength; i++)
        {
            monitor.Tell(Command() with { Fault = null }); // What succeeds has no bucket.
        }

        Assert.Equal(0, monitor.Dropped);
        var commands = new CommandSender(hub.Registry.Registry, hub.Directory, new CommandStore(hub.Registry.Database), new CommandOptions(), hub.Meter);
        commands.HasRefused += (_, _, _) => monitor.Tell(Command());
        hub.Sessions.TelemetryRefused += (_, failure, _, _) => monitor.Tell(
            new OperationsEvent(OperationsCategory.DeviceTelemetry, "ingress", "dev") { Fault = OperationsFault.Of(failure) });
        var session = hub.Sessions.OpenForRequest(new SessionRequest(Grant(), DeviceProtocol.Https, new NoChannel()));
        var tooLong = new ReadOnlySequence<byte>(new byte[HubLimits.MaxTelemetryBytes + 1]);
        var accepted = 0;

        for (var i = 0; i < 200; i++)
        {
            Assert.Equal(AppendOutcome.Refused, session.TrySendTelemetry(TelemetryProperties.Empty, tooLong, waiter: null).Outcome);
            Assert.Equal(AppendOutcome.Taken, session.TrySendTelemetry(TelemetryProperties.Empty, new ReadOnlySequence<byte>("x"u8.ToArray()), waiter: null).Outcome);
        }

        for (var i = 0; i < 60; i++)
        {
            var command = new CloudToDeviceMessage(MessageProperties.Empty, "x"u8.ToArray(), AcknowledgementRequest.None);
            accepted += await commands.SendAsync(new IdentityId(DeviceId.Parse("dev")), command, Stopping) is null ? 1 : 0;
        }

        Assert.Equal(200, hub.Log.Records.Count);
        Assert.Equal(50, accepted);
        Assert.Equal(200 + 10, monitor.Dropped); // Each of them, and nothing else.
        await monitor.StopAsync(Stopping);
    }

    [Fact]
    public async Task What_strangers_cause_has_a_bucket_that_does_not_take_from_others()
    {
        var log = new StalledLog();
        using var monitor = Create(log, new OperationsOptions());

        for (var i = 0; i < 5_000; i++)
        {
            monitor.Tell(new OperationsEvent(OperationsCategory.Connections, "deviceConnect", "dev") { Fault = TooLarge });
        }

        Assert.Equal(4_000, monitor.Dropped);
        monitor.Tell(new OperationsEvent(OperationsCategory.DeviceTelemetry, "ingress", "dev") { Fault = TooLarge });
        monitor.Tell(Command());
        Assert.Equal(4_000, monitor.Dropped);
        await monitor.StopAsync(Stopping);
    }

    [Fact]
    public async Task Every_category_is_bounded_and_strangers_take_nothing_from_back_ends()
    {
        var log = new StalledLog();
        using var monitor = Create(log, new OperationsOptions { Commands = OperationsLevel.Error });
        var identity = new OperationsEvent(OperationsCategory.DeviceIdentityOperations, "get", "dev") { Fault = TooLarge };
        OperationsEvent[] kinds = [identity, identity with { Policy = "service" }, Command()];

        // Each has a thousand to itself, whatever the ones before it have spent.
        for (var kind = 0; kind < kinds.Length; kind++)
        {
            for (var i = 0; i < 1_001; i++)
            {
                monitor.Tell(kinds[kind]);
            }

            Assert.Equal(kind + 1, monitor.Dropped);
        }

        await monitor.StopAsync(Stopping);
    }

    [Theory]
    [InlineData("dev", "dev")]
    [InlineData("no id", null)]
    [InlineData(null, null)]
    public void A_request_names_a_device_only_where_its_route_holds_an_id(string? route, string? expected)
    {
        var told = OperationsFeeds.EventOf(Answered(route))!;

        Assert.Equal(("get", expected, 401), (told.Operation, told.Device, told.Fault!.Value.Status));
        Assert.Null(OperationsFeeds.EventOf(Answered(new string('x', 8_000)))!.Device);
    }

    [Theory]
    [InlineData(OperationsLevel.None, 0)]
    [InlineData(OperationsLevel.Error, 1)]
    [InlineData(OperationsLevel.Information, 2)]
    public async Task Each_category_is_told_at_its_own_level(OperationsLevel level, int expected)
    {
        var log = new StalledLog { IsOpen = true };
        var options = new OperationsOptions { Identities = level, Commands = OperationsLevel.Error };
        using var monitor = Create(log, options);
        await monitor.StartAsync(Stopping);

        monitor.Tell(new OperationsEvent(OperationsCategory.DeviceIdentityOperations, "create", "dev"));
        monitor.Tell(new OperationsEvent(OperationsCategory.DeviceIdentityOperations, "create", "dev") { Fault = TooLarge });
        monitor.Tell(Command());
        await log.TakenAsync(expected + 1).WaitAsync(TimeSpan.FromSeconds(30), Stopping);

        Assert.Equal(expected + 1, log.Taken);
        await monitor.StopAsync(Stopping);
    }

    [Fact]
    public void An_event_has_the_members_of_the_services_schema_and_no_others()
    {
        var told = new OperationsEvent(OperationsCategory.C2DCommands, "messageExpired", "dev")
        {
            Fault = TooLarge,
            Protocol = DeviceProtocol.Amqp,
            Took = TimeSpan.FromMilliseconds(12.7),
            Credential = CredentialKind.DeviceKey,
            MessageBytes = 17,
            IsBatch = true,
            Acknowledgement = AcknowledgementRequest.Full,
            UserAgent = "agent",
            Policy = "service",
        };

        var body = JsonNode.Parse(told.Write(DateTimeOffset.UnixEpoch))!.AsObject();

        Assert.Equal(Schema.Order(), body.Select(member => member.Key).Order());
        Assert.Equal("1970-01-01T00:00:00.0000000Z", (string?)body["time"]);
        Assert.Equal(413, (int)body["statusCode"]!);
        Assert.Equal(413001, (int)body["statusType"]!);
        Assert.Equal(12, (int)body["durationMs"]!);
        Assert.Equal(1, (int)body["batching"]!);
        Assert.Equal(3, (int)body["deliveryAcknowledgement"]!);
        Assert.Equal("sas", (string?)JsonNode.Parse((string)body["authType"]!)!["type"]);
        var least = JsonNode.Parse(new OperationsEvent(OperationsCategory.Connections, "deviceConnect", null).Write(DateTimeOffset.UnixEpoch))!.AsObject();
        Assert.Equal(["category", "deviceId", "level", "operationName", "time"], least.Select(member => member.Key).Order());
    }

    private static ServiceAnswered Answered(string? route) =>
        new("GET", "/devices/{id}", route, false, null, null, HubFailures.Unauthorized, TimeSpan.Zero);

    private static OperationsEvent Command() => new(OperationsCategory.C2DCommands, "ingress", "dev") { Fault = TooLarge };

    private static AccessGrant Grant() => new()
    {
        Kind = CredentialKind.DeviceKey,
        Identity = new IdentityId(DeviceId.Parse("dev")),
        Rights = AccessRights.DeviceConnect,
        ProofDigest = "",
    };

    private static OperationsMonitor Create(IEventLog log, OperationsOptions options) => new(
        options, new TelemetryStreams(telemetryPartitions: 1), log, new Microsoft.Extensions.Time.Testing.FakeTimeProvider(), NullLogger<OperationsMonitor>.Instance);

    private sealed class NoChannel : IDeviceChannel
    {
        public void Deliver(CommandDelivery delivery) => throw new InvalidOperationException();

        public void InvokeMethod(Nave.Hub.Methods.MethodInvocation invocation) => throw new InvalidOperationException();

        public void DesiredChanged(Nave.Hub.Twins.DesiredChange change) => throw new InvalidOperationException();

        public void Close(CloseReason reason) => throw new InvalidOperationException();

        public void Inject(Nave.Hub.Faults.FaultKind fault, string reason) => throw new InvalidOperationException();
    }

    /// <summary>A log that is full for ever, or takes everything.</summary>
    private sealed class StalledLog : IEventLog
    {
        private readonly TaskCompletionSource _asked = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly SemaphoreSlim _taken = new(0);
        private int _count;

        public bool IsOpen { get; init; }

        public int Taken => Volatile.Read(ref _count);

        /// <summary>Completes when somebody waits for room.</summary>
        public Task Asked => _asked.Task;

        public IReadOnlyList<LogStream> Streams => [];

        public LogPosition Committed => default;

        public LogFault? Fault => null;

        public async Task TakenAsync(int count)
        {
            for (var i = 0; i < count; i++)
            {
                await _taken.WaitAsync();
            }
        }

        public AppendOutcome TryAppend(LogPartition partition, in RecordParts record, ICommitWaiter? waiter, out LogPosition position)
        {
            position = default;
            if (!IsOpen)
            {
                return AppendOutcome.Full;
            }

            Interlocked.Increment(ref _count);
            _taken.Release();
            return AppendOutcome.Taken;
        }

        public ValueTask WaitForRoomAsync(CancellationToken stopping)
        {
            _asked.TrySetResult();
            return new ValueTask(Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, stopping));
        }

        public ValueTask WaitForCommitAsync(LogPosition position, CancellationToken stopping) => ValueTask.CompletedTask;

        public PartitionState GetState(LogPartition partition) => throw new InvalidOperationException();

        public ValueTask<IPartitionReader> OpenReaderAsync(LogPartition partition, ReadFrom from, CancellationToken stopping) => throw new InvalidOperationException();

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
