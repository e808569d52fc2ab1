using System.Text.Json.Nodes;
using Nave.Hub.Devices;
using Nave.Hub.Events;
using Nave.Hub.Tests.Devices;
using Nave.Tests;
using static Nave.Hub.Tests.Devices.RegistryHarness;

namespace Nave.Hub.Tests.Events;

/// <summary>Connection events, as presence is written: at most one a minute, in an order that text shows.</summary>
public sealed class ConnectionEventsTests : IAsyncLifetime
{
    private static readonly TimeSpan Interval = ConnectionEventOptions.Default.Interval;

    private RegistryHarness _hub = null!;
    private long _epoch = 1L << 40;

    public async ValueTask InitializeAsync()
    {
        _hub = await RegistryHarness.CreateAsync();
        _hub.Sources.Replace([ChangeSource.DeviceConnectionStateEvents]);
        await _hub.CreateAsync("pump");
    }

    public ValueTask DisposeAsync() => _hub.DisposeAsync();

    [Fact]
    [Conformance("messaging-semantics", 21)]
    public async Task Connecting_and_leaving_are_events_whose_numbers_rise()
    {
        var session = Connect(out var entry);
        entry.Heard();
        await FlushAsync();
        _hub.Time.Advance(Interval);
        _hub.Presence.Disconnected(Id("pump"), session, CloseReason.PeerClosed);
        await FlushAsync();

        var events = await EventsAsync();
        Assert.Equal(["deviceConnected", "deviceDisconnected"], events.Select(e => e.Change.OpType));
        var numbers = events.Select(Number).ToList();
        Assert.All(numbers, number => Assert.Matches("^[0-9A-F]{64}$", number));
        Assert.True(string.CompareOrdinal(numbers[0], numbers[1]) < 0);
    }

    [Fact]
    public async Task Who_says_nothing_is_not_told_of_until_he_speaks()
    {
        Connect(out var entry);
        await FlushAsync();
        Assert.Empty(await EventsAsync());

        entry.Heard();
        await FlushAsync();

        Assert.Equal("deviceConnected", Assert.Single(await EventsAsync()).Change.OpType);
    }

    [Fact]
    public async Task Who_goes_without_a_word_is_not_told_of_at_all()
    {
        var session = Connect(out _);
        await FlushAsync();
        _hub.Presence.Disconnected(Id("pump"), session, CloseReason.PeerClosed);
        await FlushAsync();

        Assert.Empty(await EventsAsync());
    }

    [Fact]
    public async Task Flapping_within_the_interval_is_one_event_of_where_it_ended_with_a_new_number()
    {
        var first = Connect(out var entry);
        entry.Heard();
        await FlushAsync();
        _hub.Presence.Disconnected(Id("pump"), first, CloseReason.PeerClosed);
        await FlushAsync();
        Connect(out entry);
        entry.Heard();
        await FlushAsync();
        Assert.Single(await EventsAsync());

        _hub.Time.Advance(Interval);
        await FlushAsync();

        var events = await EventsAsync();
        Assert.Equal(["deviceConnected", "deviceConnected"], events.Select(e => e.Change.OpType));
        Assert.True(string.CompareOrdinal(Number(events[0]), Number(events[1])) < 0);
    }

    [Fact]
    public async Task What_a_connected_device_sends_is_no_news()
    {
        Connect(out var entry);
        for (var i = 0; i < 3; i++)
        {
            entry.Heard();
            await FlushAsync();
            _hub.Time.Advance(Interval);
        }

        Assert.Single(await EventsAsync());
    }

    [Fact]
    public async Task A_take_over_is_told_when_the_new_session_has_spoken()
    {
        Connect(out var entry);
        entry.Heard();
        await FlushAsync();
        _hub.Time.Advance(Interval);

        Connect(out entry);
        await FlushAsync();
        Assert.Single(await EventsAsync());
        entry.Heard();
        await FlushAsync();

        Assert.Equal(["deviceConnected", "deviceConnected"], (await EventsAsync()).Select(e => e.Change.OpType));
    }

    [Fact]
    public async Task A_deleted_device_has_no_connection_events()
    {
        var session = Connect(out var entry);
        entry.Heard();
        await _hub.ExpectAsync(_hub.Registry.DeleteAsync(Id("pump"), ETagCondition.Any, default));
        _hub.Presence.Disconnected(Id("pump"), session, CloseReason.IdentityDeleted);
        await FlushAsync();

        Assert.Empty(await EventsAsync());
    }

    [Fact]
    public async Task Who_does_not_come_back_after_a_restart_is_told_as_gone()
    {
        Connect(out var entry);
        entry.Heard();
        await FlushAsync();
        await _hub.RestartAsync(2);
        await FlushAsync();
        Assert.Single(await EventsAsync());

        _hub.Time.Advance(Interval);
        await FlushAsync();

        var events = await EventsAsync();
        Assert.Equal(["deviceConnected", "deviceDisconnected"], events.Select(e => e.Change.OpType));
        Assert.True(string.CompareOrdinal(Number(events[0]), Number(events[1])) < 0);
    }

    [Fact]
    public async Task Who_comes_back_after_a_restart_is_not_told_as_gone()
    {
        Connect(out var entry);
        entry.Heard();
        await FlushAsync();
        await _hub.RestartAsync(2);
        Connect(out entry);
        _hub.Time.Advance(Interval);
        await FlushAsync();

        Assert.Single(await EventsAsync());
    }

    [Fact]
    public async Task Nothing_is_kept_of_a_source_that_nobody_wants()
    {
        _hub.Sources.Replace([]);
        Connect(out var entry);
        entry.Heard();
        await FlushAsync();

        Assert.Empty(await EventsAsync());
        Assert.Equal(0, await _hub.Database.ReadAsync(session => session.Number("SELECT COUNT(*) FROM connection_events"), default));
    }

    private SessionName Connect(out PresenceEntry entry)
    {
        var session = new SessionName(_hub.Node.Id, ++_epoch, _epoch);
        entry = _hub.Presence.Connected(Id("pump"), session, DeviceProtocol.Mqtt);
        return session;
    }

    private Task FlushAsync() => _hub.Presence.FlushAsync();

    private Task<List<OutboxEvent>> EventsAsync() =>
        _hub.Database.WriteAsync(session => EventOutbox.Take(session, 0, 100, 1_000_000), default);

    private static string Number(OutboxEvent item) => JsonNode.Parse(item.Change.Body.Span)!["sequenceNumber"]!.GetValue<string>();
}
