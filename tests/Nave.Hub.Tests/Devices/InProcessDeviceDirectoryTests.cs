using Nave.Hub.Devices;
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

        var first = await directory.ConnectAsync(Pump, Node, 1, 0, TestContext.Current.CancellationToken);
        var second = await directory.ConnectAsync(Pump, OtherNode, 9, 0, TestContext.Current.CancellationToken);

        Assert.Null(first.Previous);
        Assert.Equal(first.Current, second.Previous);
        Assert.True(second.Current.Epoch > first.Current.Epoch);
        Assert.Equal(second.Current, await directory.FindConnectedAsync(Pump, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_session_that_lost_the_place_cannot_give_it_back()
    {
        var directory = Create();
        var first = await directory.ConnectAsync(Pump, Node, 1, 0, TestContext.Current.CancellationToken);
        var second = await directory.ConnectAsync(Pump, Node, 2, 0, TestContext.Current.CancellationToken);

        Assert.False(await directory.DisconnectAsync(Pump, first.Current, TestContext.Current.CancellationToken));
        Assert.True(await directory.DisconnectAsync(Pump, second.Current, TestContext.Current.CancellationToken));
        Assert.Null(await directory.FindConnectedAsync(Pump, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_module_has_a_place_of_its_own_beside_its_device()
    {
        var directory = Create();

        await directory.ConnectAsync(Pump, Node, 1, 0, TestContext.Current.CancellationToken);
        var module = await directory.ConnectAsync(PumpModule, Node, 2, 0, TestContext.Current.CancellationToken);

        Assert.Null(module.Previous);
    }

    [Fact]
    public async Task Epochs_go_on_behind_those_of_an_earlier_life()
    {
        var directory = Create();

        var connected = await directory.ConnectAsync(Pump, Node, 1, epochFloor: 41, TestContext.Current.CancellationToken);

        Assert.Equal(42, connected.Current.Epoch);
    }

    [Fact]
    public async Task Many_connects_at_once_leave_exactly_one_holder()
    {
        var directory = Create();

        var all = await Task.WhenAll(Enumerable.Range(1, 200).Select(i => Task.Run(
            async () => await directory.ConnectAsync(Pump, Node, i, 0, TestContext.Current.CancellationToken))));
        var kept = new List<SessionName>();
        foreach (var result in all)
        {
            if (await directory.DisconnectAsync(Pump, result.Current, TestContext.Current.CancellationToken))
            {
                kept.Add(result.Current);
            }
        }

        Assert.Equal(200, kept.Concat(all.Select(r => r.Previous).OfType<SessionName>()).Distinct().Count());
        Assert.Single(kept);
    }
}

/// <summary>The home in one process.</summary>
public sealed class InProcessDeviceDirectoryTests : DeviceDirectoryContract
{
    private protected override IDeviceDirectory Create() => new InProcessDeviceDirectory();
}
