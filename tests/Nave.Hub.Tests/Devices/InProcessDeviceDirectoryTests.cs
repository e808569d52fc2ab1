using Nave.Hub.Commands;
using Nave.Hub.Devices;
using Nave.Hub.Methods;
using Nave.Hub.Tests.Harness;
using Nave.Hub.Twins;
using Nave.Protocol.Identities;

namespace Nave.Hub.Tests.Devices;

/// <summary>What every home of device actors must keep: one place, one holder, the newest wins.</summary>
public abstract class DeviceDirectoryContract
{
    private static readonly IdentityId Pump = new(DeviceId.Parse("pump-7"));
    private static readonly IdentityId PumpModule = new(DeviceId.Parse("pump-7"), ModuleId.Parse("vision"));
    private static readonly Guid Node = new("00000000-0000-0000-0000-000000000001");
    private static readonly Guid OtherNode = new("00000000-0000-0000-0000-000000000002");

    private protected abstract IDeviceDirectory Create();

    [Fact]
    public async Task The_newest_session_has_the_place_and_learns_whose_it_was()
    {
        var directory = Create();

        var first = await directory.Of(Pump).ConnectAsync(Node, 1, 0);
        var second = await directory.Of(Pump).ConnectAsync(OtherNode, 9, 0);

        Assert.Null(first.Previous);
        Assert.Equal(first.Current, second.Previous);
        Assert.True(second.Current.Epoch > first.Current.Epoch);
        Assert.Equal(second.Current, await directory.Of(Pump).FindConnectedAsync());
    }

    [Fact]
    public async Task A_session_that_lost_the_place_cannot_give_it_back()
    {
        var directory = Create();
        var first = await directory.Of(Pump).ConnectAsync(Node, 1, 0);
        var second = await directory.Of(Pump).ConnectAsync(Node, 2, 0);

        Assert.False(await directory.Of(Pump).DisconnectAsync(first.Current));
        Assert.True(await directory.Of(Pump).DisconnectAsync(second.Current));
        Assert.Null(await directory.Of(Pump).FindConnectedAsync());
    }

    [Fact]
    public async Task A_module_has_a_place_of_its_own_beside_its_device()
    {
        var directory = Create();

        await directory.Of(Pump).ConnectAsync(Node, 1, 0);
        var module = await directory.Of(PumpModule).ConnectAsync(Node, 2, 0);

        Assert.Null(module.Previous);
    }

    [Fact]
    public async Task Epochs_go_on_behind_those_of_an_earlier_life()
    {
        var directory = Create();

        var connected = await directory.Of(Pump).ConnectAsync(Node, 1, epochFloor: 41);

        Assert.Equal(42, connected.Current.Epoch);
    }

    [Fact]
    public async Task Many_connects_at_once_leave_exactly_one_holder()
    {
        var directory = Create();

        var all = await Task.WhenAll(Enumerable.Range(1, 200).Select(i => Task.Run(
            async () => await directory.Of(Pump).ConnectAsync(Node, i, 0))));
        var kept = new List<SessionName>();
        foreach (var result in all)
        {
            if (await directory.Of(Pump).DisconnectAsync(result.Current))
            {
                kept.Add(result.Current);
            }
        }

        Assert.Equal(200, kept.Concat(all.Select(r => r.Previous).OfType<SessionName>()).Distinct().Count());
        Assert.Single(kept);
    }
}

/// <summary>The home in one process.</summary>
public sealed class InProcessDeviceDirectoryTests : DeviceDirectoryContract, IAsyncDisposable
{
    private readonly TestDatabase _data = new(RegistrySchema.Part, CommandStore.Schema);

    [Fact]
    public async Task An_actor_sleeps_when_nobody_is_connected_and_is_awake_while_somebody_is()
    {
        var directory = Create();
        var id = new IdentityId(DeviceId.Parse("d"));

        var connected = await directory.Of(id).ConnectAsync(Guid.Empty, 1, 0);
        Assert.Equal(1, directory.CountAwake());
        await directory.Of(id).DisconnectAsync(connected.Current);

        Assert.Equal(0, directory.CountAwake());
    }

    [Fact]
    public async Task Calls_that_wait_for_the_database_take_turns_and_the_actor_sleeps_behind_the_last()
    {
        var directory = Create();
        var id = new IdentityId(DeviceId.Parse("d"));

        var received = await Task.WhenAll(Enumerable.Range(0, 100).Select(
            _ => directory.Of(id).ReceiveCommandAsync(TimeSpan.FromSeconds(1)).AsTask()));

        Assert.All(received, Assert.Null);
        Assert.Equal(0, directory.CountAwake());
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _data.DisposeAsync();

    private protected override InProcessDeviceDirectory Create() => new(id => new DeviceActor(id, new ActorParts(
        id => new CommandBox(
            id, new CommandStore(_data.Database), new CommandOptions(), new CommandRoute(new SessionTable(new NodeIncarnation(Guid.Empty))),
            new CommandClock(), TimeProvider.System, () => Guid.Empty),
        id => new TwinBox(id, store: null!, new NoRoute()), // Nobody changes a twin here.
        () => new MethodWatch(new NoMethods()))));

    private sealed class NoMethods : IMethodRoute
    {
        public void Invoke(SessionName session, MethodInvocation invocation) => throw new InvalidOperationException();

        public void Forget(SessionName session, Guid requestId) => throw new InvalidOperationException();

        public void Ready(MethodWaiter waiter, SessionName session) => throw new InvalidOperationException();

        public void Complete(Guid node, Guid requestId, SessionName session, MethodOutcome outcome) => throw new InvalidOperationException();
    }

    private sealed class NoRoute : ITwinRoute
    {
        public void DesiredChanged(SessionName session, DesiredChange change) => throw new InvalidOperationException();
    }
}
