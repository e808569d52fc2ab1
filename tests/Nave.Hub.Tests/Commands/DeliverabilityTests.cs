using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Access;
using Nave.Hub.Commands;
using Nave.Hub.Devices;
using Nave.Hub.Tests.Devices;
using Nave.Hub.Tests.Harness;
using Nave.Hub.Tests.Heads.Mqtt;
using Nave.Protocol.Access;
using Nave.Protocol.Identities;
using Nave.Tests;

namespace Nave.Hub.Tests.Commands;

/// <summary>Whether a command would reach a device now: asked of one that takes it, one that is away, and one whose queue is full.</summary>
public sealed class DeliverabilityTests
{
    private static readonly IdentityId Dev = new(DeviceId.Parse("dev"));

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    [Fact]
    [Conformance("heartbeat-monitoring", 19)]
    public async Task A_device_that_is_away_is_expired_when_the_time_is_over_and_nothing_is_left_behind()
    {
        await using var hub = await MqttHub.CreateAsync();
        var time = new ArmedTime(hub.Time.GetUtcNow());
        var sender = new CommandSender(hub.Registry.Registry, hub.Directory, hub.Commands, new CommandOptions(), hub.Meter);
        var asked = new Deliverability(sender, hub.Commands, hub.Directory, time).AskAsync(Dev, TimeSpan.FromSeconds(5), Stopping);
        await time.Armed.WaitAsync(Stopping);
        Assert.False(asked.IsCompleted);

        hub.Time.Advance(TimeSpan.FromSeconds(5));
        time.Advance(TimeSpan.FromSeconds(5));

        Assert.True((await asked).TryGet(out var answer, out var failure), failure?.Message);
        Assert.Equal(("expired", TimeSpan.FromSeconds(5)), (answer.Result, answer.Took));
        var identity = await hub.Registry.Registry.FindAsync(Dev, Stopping);
        Assert.Equal(0, await sender.CountAsync(identity!, Stopping));
    }

    [Fact]
    public async Task A_full_queue_is_an_answer_and_an_unknown_device_is_none()
    {
        await using var hub = await MqttHub.CreateAsync();
        var sender = new CommandSender(hub.Registry.Registry, hub.Directory, hub.Commands, new CommandOptions(), hub.Meter);
        var deliverability = new Deliverability(sender, hub.Commands, hub.Directory, hub.Time);
        for (var i = 0; i < 50; i++)
        {
            Assert.Null(await sender.SendAsync(Dev, new CloudToDeviceMessage(Protocol.Messages.MessageProperties.Empty, "x"u8.ToArray(), AcknowledgementRequest.None), Stopping));
        }

        Assert.Equal("queueFull", (await deliverability.AskAsync(Dev, TimeSpan.FromSeconds(5), Stopping)).Value?.Result);
        Assert.Equal(404, (await deliverability.AskAsync(new IdentityId(DeviceId.Parse("nobody")), TimeSpan.FromSeconds(5), Stopping)).Failure?.HttpStatus);
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 19)]
    public async Task A_device_that_takes_commands_is_delivered_and_the_operator_is_told()
    {
        await using var hub = await TestHub.StartAsync();
        var draft = new IdentityDraft(Dev)
        {
            Authentication = new AuthenticationDraft { Type = "sas", PrimaryKey = RegistryHarness.KeyA, SecondaryKey = RegistryHarness.KeyB },
        };
        Assert.True((await hub.Get<DeviceRegistry>().CreateAsync(draft, Stopping)).TryGet(out _, out var failure), failure?.Message);
        var token = SasToken.Mint("localhost/devices/dev", RegistryHarness.KeyA, TimeProvider.System.GetUtcNow().AddHours(1));
        var admitted = await hub.Get<AccessControl>().AdmitDeviceAsync(Dev, new DeviceProof(token, null, null, null), Stopping);
        var channel = new TakingChannel();
        var (session, refused) = await hub.Get<DeviceSessions>().OpenAsync(new SessionRequest(admitted.Value!, DeviceProtocol.Mqtt, channel), Stopping);
        Assert.Null(refused);
        channel.Session = session!;
        await session!.GrantCommandsAsync(new CommandGrant(long.MaxValue, null));

        using var http = hub.Operator();
        using var answer = await http.PostAsync("heartbeats/devices/dev/deliverable?timeout=30", null, Stopping);

        Assert.Equal("delivered", (string?)System.Text.Json.Nodes.JsonNode.Parse(await answer.Content.ReadAsStringAsync(Stopping))!["result"]);
        await session.EndAsync(CloseReason.Disconnected);
    }

    private sealed class ArmedTime(DateTimeOffset now) : FakeTimeProvider(now)
    {
        private readonly TaskCompletionSource _armed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Completes when somebody waits.</summary>
        public Task Armed => _armed.Task;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = base.CreateTimer(callback, state, dueTime, period);
            _armed.TrySetResult();
            return timer;
        }
    }

    /// <summary>Completes what it is given.</summary>
    private sealed class TakingChannel : IDeviceChannel
    {
        private Task _settled = Task.CompletedTask;

        public DeviceSession? Session { get; set; }

        public void Deliver(CommandDelivery delivery) => _settled = Session!.SettleCommandAsync(delivery.LockToken, Settlement.Complete).AsTask();

        public void InvokeMethod(Nave.Hub.Methods.MethodInvocation invocation) => throw new InvalidOperationException();

        public void DesiredChanged(Nave.Hub.Twins.DesiredChange change) => throw new InvalidOperationException();

        public void Close(CloseReason reason) => Assert.True(_settled.IsCompletedSuccessfully);

        public void Inject(Nave.Hub.Faults.FaultKind fault, string reason) => throw new InvalidOperationException();
    }
}
