using Nave.Hub.Devices;
using static Nave.Hub.Tests.Devices.RegistryHarness;

namespace Nave.Hub.Tests.Devices;

/// <summary>Connection states: from memory at once, from SQL after a restart, never beyond their node's life.</summary>
public sealed class PresenceTests : IAsyncLifetime
{
    private RegistryHarness _hub = null!;

    public async ValueTask InitializeAsync()
    {
        _hub = await RegistryHarness.CreateAsync();
        await _hub.CreateAsync("pump");
        await _hub.CreateAsync("pump/m");
    }

    public ValueTask DisposeAsync() => _hub.DisposeAsync();

    [Fact]
    public async Task A_device_that_never_connected_has_no_times() => Assert.Equal(default, await StateAsync("pump"));

    [Fact]
    public async Task A_connected_device_shows_at_once()
    {
        Connect("pump", 1);

        Assert.Equal(new PresenceState(true, _hub.Time.GetUtcNow(), _hub.Time.GetUtcNow()) { Protocol = DeviceProtocol.Mqtt }, await StateAsync("pump"));
        Assert.Equal(1, _hub.Presence.ConnectedDevices);
    }

    [Fact]
    public async Task A_module_has_a_state_of_its_own_and_is_no_device()
    {
        Connect("pump/m", 1);

        Assert.False((await StateAsync("pump")).IsConnected);
        Assert.True((await StateAsync("pump/m")).IsConnected);
        Assert.Equal(0, _hub.Presence.ConnectedDevices);
    }

    [Fact]
    public async Task The_end_of_a_session_that_lost_its_place_changes_nothing()
    {
        var first = Connect("pump", 1);
        Connect("pump", 2);

        _hub.Presence.Disconnected(Id("pump"), first, CloseReason.TakenOver);

        Assert.True((await StateAsync("pump")).IsConnected);
        Assert.Equal(1, _hub.Presence.ConnectedDevices);
    }

    [Fact]
    public async Task Times_move_with_transitions_and_activity()
    {
        var connectedAt = _hub.Time.GetUtcNow();
        var session = Name(1);
        var entry = _hub.Presence.Connected(Id("pump"), session, DeviceProtocol.Mqtt);
        _hub.Time.Advance(TimeSpan.FromMinutes(1));
        entry.Heard();
        var heardAt = _hub.Time.GetUtcNow();
        Assert.Equal(new PresenceState(true, connectedAt, heardAt) { Protocol = DeviceProtocol.Mqtt }, await StateAsync("pump"));

        _hub.Time.Advance(TimeSpan.FromMinutes(1));
        _hub.Presence.Disconnected(Id("pump"), session, CloseReason.PeerClosed);

        Assert.Equal(
            new PresenceState(false, _hub.Time.GetUtcNow(), heardAt) { Protocol = DeviceProtocol.Mqtt, Reason = CloseReason.PeerClosed }, await StateAsync("pump"));
        Assert.Equal(0, _hub.Presence.ConnectedDevices);
    }

    [Fact]
    public async Task A_clean_stop_keeps_the_times()
    {
        var session = Connect("pump", 1);
        _hub.Time.Advance(TimeSpan.FromMinutes(1));
        _hub.Presence.Disconnected(Id("pump"), session, CloseReason.PeerClosed);
        var state = await StateAsync("pump");

        await _hub.RestartAsync(2);

        Assert.Equal(state, await StateAsync("pump"));
    }

    [Fact]
    public async Task A_row_of_a_former_life_reads_as_disconnected_at_the_restart()
    {
        var connectedAt = _hub.Time.GetUtcNow();
        Connect("pump", 1);
        await _hub.Presence.FlushAsync();
        _hub.Time.Advance(TimeSpan.FromHours(1));

        await _hub.RestartAsync(2);

        Assert.Equal(
            new PresenceState(false, _hub.Time.GetUtcNow(), connectedAt) { Protocol = DeviceProtocol.Mqtt, Reason = CloseReason.HubStopping }, await StateAsync("pump"));
        Assert.Equal(0, _hub.Presence.ConnectedDevices);
    }

    [Fact]
    public async Task The_clock_writes_what_has_changed()
    {
        Connect("pump", 1);
        Assert.Equal(0, await RowsAsync());

        var before = await RowsAsync();
        _hub.Time.Advance(Presence.FlushInterval);
        await _hub.Presence.FlushAsync(); // Behind the timer's own, which may be under way.

        Assert.Equal((0, 1), (before, await RowsAsync()));
    }

    [Fact]
    public async Task Epochs_stay_above_those_of_a_former_life()
    {
        var low = _hub.Presence.LastEpoch(Id("pump"));
        _hub.Presence.Connected(Id("pump"), new SessionName(_hub.Node.Id, 1, low + 1000), DeviceProtocol.Mqtt);
        Assert.Equal(low + 1000, _hub.Presence.LastEpoch(Id("pump")));

        await _hub.RestartAsync(2);

        Assert.True(_hub.Presence.LastEpoch(Id("pump")) > low + 1000);
    }

    [Fact]
    public async Task A_late_report_of_an_earlier_takeover_does_not_win()
    {
        var later = Connect("pump", 2);
        Connect("pump", 1);

        _hub.Presence.Disconnected(Id("pump"), later, CloseReason.PeerClosed);

        Assert.False((await StateAsync("pump")).IsConnected);
    }

    [Fact]
    public async Task A_recreated_device_begins_without_a_past()
    {
        var session = Connect("pump", 1);
        await _hub.Presence.FlushAsync();

        await _hub.ExpectAsync(_hub.Registry.DeleteAsync(Id("pump"), ETagCondition.Any, default));
        await _hub.CreateAsync("pump");
        _hub.Presence.Disconnected(Id("pump"), session, CloseReason.IdentityDeleted);
        await _hub.Presence.FlushAsync();

        Assert.Equal(default, await StateAsync("pump"));
        Assert.Equal(0, _hub.Presence.ConnectedDevices);
        Assert.Equal(0, await RowsAsync());
    }

    [Fact]
    public async Task A_list_merges_memory_and_rows()
    {
        await _hub.CreateAsync("a");
        await _hub.CreateAsync("b");
        await _hub.CreateAsync("z");
        _hub.Presence.Disconnected(Id("a"), Connect("a", 1), CloseReason.PeerClosed);
        await _hub.Presence.FlushAsync();
        Connect("b", 2);
        Connect("z", 3);

        var states = await _hub.Presence.ListAsync(Id("a").Device, Id("pump").Device, default);

        Assert.Equal(["a", "b"], states.Keys.Select(id => id.ToString()).Order());
        Assert.False(states[Id("a")].IsConnected);
        Assert.True(states[Id("b")].IsConnected);
    }

    private SessionName Name(long epoch) => new(_hub.Node.Id, epoch, epoch);

    private SessionName Connect(string id, long epoch)
    {
        _hub.Presence.Connected(Id(id), Name(epoch), DeviceProtocol.Mqtt);
        return Name(epoch);
    }

    private async Task<PresenceState> StateAsync(string id) => await _hub.Presence.GetAsync(Id(id), default);

    private Task<long?> RowsAsync() => _hub.Database.ReadAsync(session => session.Number("SELECT count(*) FROM presence"), default);
}
