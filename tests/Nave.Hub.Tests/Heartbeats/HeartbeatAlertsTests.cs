using System.Text.Json.Nodes;
using Nave.Hub.Heartbeats;
using Nave.Tests;

namespace Nave.Hub.Tests.Heartbeats;

/// <summary>Which transitions wake somebody: a group that falls silent is one alert, and so is a device that flaps.</summary>
public sealed class HeartbeatAlertsTests
{
    private static readonly DateTimeOffset Start = new(2026, 5, 4, 12, 0, 0, TimeSpan.Zero);
    private static readonly HeartbeatTerms Terms = new() { Source = "default", Every = TimeSpan.FromSeconds(2), Grace = TimeSpan.Zero };

    private readonly HeartbeatTable _table = new();
    private readonly HeartbeatAlerts _alerts;
    private readonly List<HeartbeatTransition> _transitions = [];
    private long _now;

    public HeartbeatAlertsTests() => _alerts = new HeartbeatAlerts(_table, new HeartbeatOptions());

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
