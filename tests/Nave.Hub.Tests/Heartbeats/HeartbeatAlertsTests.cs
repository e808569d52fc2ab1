using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Nave.Hub.Heartbeats;
using Nave.Hub.Tests.Harness;
using Nave.Storage;
using Nave.Tests;

namespace Nave.Hub.Tests.Heartbeats;

/// <summary>Which transitions wake somebody: a group that falls silent is one alert, and so is a device that flaps.</summary>
public sealed class HeartbeatAlertsTests : IAsyncDisposable
{
    private static readonly DateTimeOffset Start = new(2026, 5, 4, 12, 0, 0, TimeSpan.Zero);
    private static readonly HeartbeatTerms Terms = new() { Source = "default", Every = TimeSpan.FromSeconds(2), Grace = TimeSpan.Zero };

    private readonly HeartbeatTable _table = new();
    private readonly HeartbeatAlerts _alerts;
    private readonly List<HeartbeatTransition> _transitions = [];
    private long _now;

    private readonly TempDirectory _directory = new();
    private readonly HubDatabase _database;
    private readonly HeartbeatSilences _silences;

    public HeartbeatAlertsTests()
    {
        _database = HubDatabase.Open(
            new SqliteDialect(_directory.PathOf("hub.db")), [HeartbeatSilences.Schema], TimeProvider.System, NullLogger<HubDatabase>.Instance);
        _silences = new HeartbeatSilences(_database, new FakeTimeProvider(Start));
        _alerts = new HeartbeatAlerts(_table, _silences, new HeartbeatOptions());
    }

    public async ValueTask DisposeAsync()
    {
        _silences.Dispose();
        await _database.DisposeAsync();
        _directory.Dispose();
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 17)]
    public async Task A_silence_and_a_maintenance_window_hold_back_alerts_and_no_transition()
    {
        Watch(10, "pump", "north");
        Watch(10, "valve", "south");
        await SilenceAsync("now", """{"for":20,"devices":["pump-0","pump-1"]}""");
        await SilenceAsync("window", $$"""{"from":"{{HeartbeatJson.Text(Start.AddSeconds(4))}}","until":"{{HeartbeatJson.Text(Start.AddSeconds(60))}}","group":"south"}""");
        Beat("pump", 10);
        Beat("valve", 10);
        Pass(250);

        var alerts = new List<HeartbeatNotice>();
        for (var i = 0; i < 40; i++)
        {
            alerts.AddRange(Pass(250));
        }

        // Twenty devices fell silent; of those that were not silenced each is told.
        Assert.Equal(20, _transitions.Count(transition => transition.State is HeartbeatState.Offline));
        Assert.Equal(
            Enumerable.Range(2, 8).Select(i => $"pump-{i}").Order(),
            alerts.Where(alert => alert.Kind == "alert").Select(alert => (string)Body(alert)["deviceId"]!).Order());

        // One comes back before its silence ends; of the other is told when it ends.
        Beat("pump", 1);
        Assert.Empty(Pass(250));
        Assert.Empty(_alerts.Released(Start.AddSeconds(19)));
        Assert.Equal("pump-1", (string?)Body(Assert.Single(_alerts.Released(Start.AddSeconds(20))))["deviceId"]);
        Assert.Empty(_alerts.Released(Start.AddSeconds(21)));
        Assert.Equal(10, _alerts.Released(Start.AddSeconds(60)).Count);
    }

    [Theory]
    [InlineData("""{"for":0}""", "it ends")]
    [InlineData("""{"for":60,"until":"2027-01-01"}""", "it ends")]
    [InlineData("""{}""", "it ends")]
    [InlineData("""{"until":"2020-01-01"}""", "over before")]
    [InlineData("""{"until":"soon"}""", "'until'")]
    [InlineData("""{"for":60,"from":"soon"}""", "'from'")]
    [InlineData("""{"for":60,"devices":[]}""", "'devices'")]
    [InlineData("""{"for":60,"device":"pump"}""", "'device' is not known")]
    public void A_silence_with_a_mistake_is_refused_and_names_it(string body, string named)
    {
        Assert.False(HeartbeatSilence.TryRead("x", (JsonObject)JsonNode.Parse(body)!, Start, out _, out var problem));
        Assert.Contains(named, problem);
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 9)]
    public void A_thousand_devices_behind_one_gateway_are_one_alert_and_a_thousand_transitions()
    {
        Watch(1_000, "gateway", "g-1");
        Watch(5_000, "other", "g-2");
        Beat("gateway", 1_000);
        Beat("other", 5_000);
        Pass(250);

        var alerts = new List<HeartbeatNotice>();
        for (var i = 0; i < 24; i++)
        {
            Beat("other", 5_000);
            alerts.AddRange(Pass(250));
        }

        var alert = Assert.Single(alerts);
        Assert.Equal("group", alert.Kind);
        Assert.Equal(("g-1", "silent"), ((string?)Body(alert)["group"], (string?)Body(alert)["state"]));
        Assert.Equal(1_000, _transitions.Count(transition => transition.State is HeartbeatState.Offline));

        Beat("gateway", 1_000);
        var back = Assert.Single(Pass(250));
        Assert.Equal("back", (string?)Body(back)["state"]);
    }

    [Fact]
    public void A_few_of_many_are_told_one_by_one_and_so_is_their_return()
    {
        Watch(1_000, "pump", "g-1");
        Beat("pump", 1_000);
        Pass(250);

        var alerts = new List<HeartbeatNotice>();
        for (var i = 0; i < 24; i++)
        {
            Beat("pump", 990);
            alerts.AddRange(Pass(250));
        }

        Assert.Equal(Enumerable.Range(990, 10).Select(i => $"pump-{i}"), alerts.Select(alert => (string?)Body(alert)["deviceId"]));
        Assert.All(alerts, alert => Assert.Equal("alert", alert.Kind));

        Beat("pump", 1_000);
        Assert.Equal(10, Pass(250).Count(notice => notice.Kind == "resolved"));
    }

    [Fact]
    public void A_device_that_flaps_is_one_alert_of_its_own()
    {
        Watch(1, "pump", null);
        var kinds = new List<string>();
        for (var i = 0; i < 5; i++)
        {
            Beat("pump", 1);
            kinds.AddRange(Pass(250).Select(notice => notice.Kind));
            for (var step = 0; step < 40; step++)
            {
                kinds.AddRange(Pass(250).Select(notice => notice.Kind));
            }
        }

        Assert.Equal(["alert", "resolved", "alert", "flapping"], kinds);
    }

    [Fact]
    public async Task A_group_whose_silence_ends_is_one_alert_and_its_return_another()
    {
        Watch(100, "pump", "north");
        Watch(1_000, "other", "south");
        await SilenceAsync("works", """{"for":20,"group":"north"}""");
        Beat("pump", 100);
        Beat("other", 1_000);
        Pass(250);
        for (var i = 0; i < 40; i++)
        {
            Beat("other", 1_000);
            Assert.Empty(Pass(250));
        }

        var alert = Assert.Single(_alerts.Released(Start.AddSeconds(20)));
        Assert.Equal(
            ("group", "north", "silent", 100, 100),
            (alert.Kind, (string?)Body(alert)["group"], (string?)Body(alert)["state"], (int)Body(alert)["silent"]!, (int)Body(alert)["watched"]!));
        Assert.Empty(_alerts.Released(Start.AddSeconds(21)));

        _now = 21_000;
        Beat("pump", 100);
        Beat("other", 1_000);
        Assert.Equal("back", (string?)Body(Assert.Single(Pass(250)))["state"]);
    }

    [Fact]
    public async Task A_silence_that_is_ended_or_made_narrower_is_heard_of_once_and_after_it_counts()
    {
        await SilenceAsync("works", """{"for":600}""");
        Assert.True(_silences.TakeEnded(Start, Start));
        Assert.False(_silences.TakeEnded(Start, Start));

        await SilenceAsync("works", """{"for":600,"devices":["other"]}""");
        Assert.False(_silences.Holds("pump", null, Start));
        Assert.True(_silences.TakeEnded(Start, Start));

        // Its end is the time before the last scan: only the change tells.
        Assert.True(await _silences.EndAsync("works", TestContext.Current.CancellationToken));
        Assert.True(_silences.TakeEnded(Start.AddSeconds(1), Start.AddSeconds(2)));
        Assert.False(_silences.TakeEnded(Start.AddSeconds(2), Start.AddSeconds(3)));
    }

    private async Task SilenceAsync(string name, string body)
    {
        Assert.True(HeartbeatSilence.TryRead(name, (JsonObject)JsonNode.Parse(body)!, Start, out var silence, out var problem), problem);
        Assert.True(await _silences.PutAsync(silence, TestContext.Current.CancellationToken));
    }

    private void Watch(int count, string prefix, string? group)
    {
        for (var i = 0; i < count; i++)
        {
            _table.Add($"{prefix}-{i}", isEnabled: true, stored: null, Start);
            _table.SetTerms($"{prefix}-{i}", Terms, group);
        }
    }

    private void Beat(string prefix, int count)
    {
        for (var i = 0; i < count; i++)
        {
            _table.MarkOf($"{prefix}-{i}").Heard(HeardBits.Telemetry);
        }
    }

    private IReadOnlyList<HeartbeatNotice> Pass(long milliseconds)
    {
        var found = new List<HeartbeatTransition>();
        var wall = Start.AddMilliseconds(_now += milliseconds);
        _table.Scan(_now, wall, found);
        _transitions.AddRange(found);
        return _alerts.Of([.. found.Select(transition => (transition, HeartbeatJson.Write(transition)))], wall);
    }

    private static JsonNode Body(HeartbeatNotice notice) => JsonNode.Parse(notice.Body)!;
}
