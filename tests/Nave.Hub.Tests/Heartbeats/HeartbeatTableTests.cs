using Nave.Hub.Heartbeats;
using Nave.Tests;

namespace Nave.Hub.Tests.Heartbeats;

/// <summary>Who is late, offline and back: never early, at most a second late, on a clock that the test holds.</summary>
public sealed class HeartbeatTableTests
{
    private static readonly DateTimeOffset Start = new(2026, 5, 4, 12, 0, 0, TimeSpan.Zero);

    // A period of 2 s with no grace: late after 2 s, offline after 4.
    private static readonly HeartbeatTerms TwoSeconds = new()
    {
        Source = "default",
        Every = TimeSpan.FromSeconds(2),
        Grace = TimeSpan.Zero,
        FirstContactWithin = TimeSpan.FromSeconds(30),
    };

    private readonly HeartbeatTable _table = new();
    private long _now;

    /// <summary>
    /// A tenth of the fleet of row 15, ten minutes on a clock of its own: shows that no transition is missed, early, late or
    /// of somebody who beats. What that costs is for <c>./nave bench heartbeats</c> to say.
    /// </summary>
    [Fact]
    [Conformance("heartbeat-monitoring", 15)]
    public void Of_a_hundred_thousand_that_beat_for_ten_minutes_exactly_those_that_stop_are_found_in_time()
    {
        const int Fleet = 100_000;
        const int PeriodMs = 60_000;
        const int ScanMs = 250;
        var terms = new HeartbeatTerms { Source = "default", Every = TimeSpan.FromMilliseconds(PeriodMs), MissedAllowed = 1, Grace = TimeSpan.FromSeconds(5) };
        var table = new HeartbeatTable();
        var marks = new HeartbeatMark[Fleet];
        for (var i = 0; i < Fleet; i++)
        {
            table.Add($"d-{i}", isEnabled: true, stored: null, DateTimeOffset.UnixEpoch);
            table.SetTerms($"d-{i}", terms, null);
            marks[i] = table.MarkOf($"d-{i}");
        }

        // Each beats once a minute at its own moment; every hundredth stops after some minutes.
        var lastBeat = new Dictionary<string, long>();
        var offline = new Dictionary<string, long>();
        var found = new List<HeartbeatTransition>();
        var beaten = 0L;
        for (var now = (long)ScanMs; now <= 10 * PeriodMs; now += ScanMs)
        {
            for (var due = Fleet * now / PeriodMs; beaten < due; beaten++)
            {
                var device = (int)(beaten % Fleet);
                var round = beaten / Fleet;
                if (device % 100 != 0 || round <= device / 100 % 7)
                {
                    marks[device].Heard(HeardBits.Telemetry);
                    if (device % 100 == 0)
                    {
                        lastBeat[$"d-{device}"] = now;
                    }
                }
            }

            table.Scan(now, DateTimeOffset.UnixEpoch.AddMilliseconds(now), found);
            foreach (var transition in found.Where(transition => transition.State is HeartbeatState.Late or HeartbeatState.Offline))
            {
                Assert.True(offline.TryAdd(transition.DeviceId, now), transition.DeviceId);
            }

            found.Clear();
        }

        Assert.Equal(lastBeat.Keys.Order(), offline.Keys.Order());
        Assert.All(offline, silent => Assert.InRange(silent.Value - lastBeat[silent.Key], PeriodMs + 5_000, PeriodMs + 5_000 + (2 * ScanMs)));
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 1)]
    public void A_device_that_beats_in_time_is_never_late_in_ten_minutes()
    {
        var life = Watch("pump", TwoSeconds with { Every = TimeSpan.FromSeconds(5) });
        var found = new List<HeartbeatTransition>();

        for (var second = 0; second < 600; second += 2)
        {
            life.Heard(HeardBits.Telemetry);
            found.AddRange(Pass(2_000));
        }

        Assert.Equal([HeartbeatState.Online], found.Select(transition => transition.State));
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 2)]
    public void A_device_that_stops_is_offline_within_a_second_of_its_deadline_and_never_before()
    {
        var life = Watch("pump", TwoSeconds);
        life.Heard(HeardBits.Telemetry);
        Pass(250);
        var heardAt = _now;

        var found = Pass(10_000, out var times);

        Assert.Equal([HeartbeatState.Late, HeartbeatState.Offline], found.Select(transition => transition.State));
        Assert.InRange(times[0] - heardAt, 2_000, 2_999);
        Assert.InRange(times[1] - heardAt, 4_000, 4_999);
        Assert.Equal(2, found[1].Missed);
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 3)]
    public void Where_only_heartbeats_count_telemetry_does_not()
    {
        var life = Watch("pump", TwoSeconds with { Counts = HeartbeatActivity.Heartbeats });
        life.Heard(HeardBits.Telemetry);
        Assert.Empty(Pass(1_000));

        life.Heard(HeardBits.Telemetry | HeardBits.Heartbeat);

        Assert.Equal(HeartbeatState.Online, Assert.Single(Pass(1_000)).State);
        Assert.NotNull(_table.Find("pump")!.LastHeartbeat);
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 4)]
    public void A_device_that_never_comes_is_told_of_when_its_first_contact_is_due()
    {
        Watch("pump", TwoSeconds);
        Assert.Empty(Pass(29_000));

        var found = Assert.Single(Pass(2_000));

        Assert.Equal((HeartbeatState.Offline, HeartbeatCause.NeverSeen), (found.State, found.Cause));
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 5)]
    public void Other_terms_judge_a_silent_device_at_once_in_both_directions()
    {
        Watch("pump", TwoSeconds).Heard(HeardBits.Telemetry);
        Assert.Equal(HeartbeatState.Offline, Pass(10_000)[^1].State);

        _table.SetTerms("pump", TwoSeconds with { Every = TimeSpan.FromMinutes(1) }, null);
        Assert.Equal(HeartbeatState.Online, Assert.Single(Pass(250)).State);

        _table.SetTerms("pump", TwoSeconds, null);
        Assert.Equal(HeartbeatState.Offline, Assert.Single(Pass(250)).State);
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 8)]
    public void After_a_restart_who_was_online_has_a_whole_time_and_who_was_offline_stays_so_without_a_word()
    {
        Add("living", HeartbeatState.Online);
        Add("dying", HeartbeatState.Late);
        Add("dead", HeartbeatState.Offline);

        Assert.Empty(Pass(1_750));
        _table.MarkOf("living").Heard(HeardBits.Telemetry);
        var found = Pass(2_250);

        Assert.Equal(["dying", "dying"], found.Where(transition => transition.DeviceId != "living").Select(transition => transition.DeviceId));
        Assert.Equal(HeartbeatState.Offline, found[^1].State);
        Assert.Equal(8, Assert.Single(found, transition => transition is { DeviceId: "dying", State: HeartbeatState.Late }).Sequence);
        Assert.Equal(HeartbeatState.Offline, _table.Find("dead")!.State);

        void Add(string device, HeartbeatState state)
        {
            _table.Add(device, isEnabled: true, new StoredHeartbeat(state, Start, Start, null, 7, null), Start);
            _table.SetTerms(device, TwoSeconds, null);
        }
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 7)]
    public void Numbers_of_transitions_rise_by_one()
    {
        var life = Watch("pump", TwoSeconds);
        life.Heard(HeardBits.Telemetry);
        var found = Pass(10_000);
        life.Heard(HeardBits.Telemetry);
        found.AddRange(Pass(10_000));

        Assert.Equal([1L, 2, 3, 4, 5, 6], found.Select(transition => transition.Sequence));
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 10)]
    public void Who_comes_and_goes_four_times_in_ten_minutes_is_flapping()
    {
        var life = Watch("pump", TwoSeconds);
        var found = new List<HeartbeatTransition>();
        for (var i = 0; i < 3; i++)
        {
            life.Heard(HeardBits.Telemetry);
            found.AddRange(Pass(10_000));
        }

        var comesAndGoes = found.Where(transition => transition.State is HeartbeatState.Offline || transition.Previous is HeartbeatState.Offline);
        Assert.Equal([false, false, false, true, true], comesAndGoes.Select(transition => transition.IsFlapping));
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 11)]
    public void A_disabled_device_is_not_waited_for_and_its_time_begins_anew()
    {
        Watch("pump", TwoSeconds).Heard(HeardBits.Telemetry);
        Pass(250);

        Assert.Equal(HeartbeatState.Disabled, _table.SetEnabled("pump", isEnabled: false, Wall)!.State);
        Assert.Empty(Pass(60_000));

        Assert.Equal(HeartbeatState.Unknown, _table.SetEnabled("pump", isEnabled: true, Wall)!.State);
        Assert.Empty(Pass(1_750));
        Assert.Equal(HeartbeatState.Late, Assert.Single(Pass(1_000)).State);
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 12)]
    public void Three_refusals_make_a_silent_device_a_failing_one_until_it_is_heard()
    {
        var life = Watch("pump", TwoSeconds);
        _table.Refused("pump", "UnauthorizedAccess");
        _table.Refused("pump", "UnauthorizedAccess");
        Assert.Empty(Pass(1_000));

        _table.Refused("pump", "UnauthorizedAccess");

        var failing = Assert.Single(Pass(250));
        Assert.Equal((HeartbeatState.Failing, HeartbeatCause.Refused, "UnauthorizedAccess"), (failing.State, failing.Cause, failing.Refusal));
        life.Heard(HeardBits.Telemetry);
        Assert.Equal(HeartbeatState.Online, Assert.Single(Pass(250)).State);
    }

    [Fact]
    public void A_failing_device_that_gives_up_is_what_its_silence_makes_it()
    {
        Watch("pump", TwoSeconds).Heard(HeardBits.Telemetry);
        Pass(10_000);
        for (var i = 0; i < 3; i++)
        {
            _table.Refused("pump", "UnauthorizedAccess");
        }

        Assert.Equal(HeartbeatState.Failing, Assert.Single(Pass(250)).State);
        Assert.Equal(HeartbeatState.Offline, Assert.Single(Pass(HeartbeatTable.FailureWindowMs + 1_000)).State);
    }

    [Fact]
    public void A_device_stretches_its_period_only_as_far_as_its_rule_lets_it()
    {
        Watch("free", TwoSeconds with { MaxEvery = TimeSpan.FromSeconds(10) }).Heard(HeardBits.Heartbeat);
        Watch("bound", TwoSeconds).Heard(HeardBits.Heartbeat);
        _table.Declare("free", TimeSpan.FromHours(1));
        _table.Declare("bound", TimeSpan.FromHours(1));

        Pass(15_000);

        Assert.Equal(HeartbeatState.Late, _table.Find("free")!.State);
        Assert.Equal(TimeSpan.FromSeconds(10), _table.Find("free")!.ExpectedEvery);
        Assert.Equal(HeartbeatState.Offline, _table.Find("bound")!.State);
    }

    [Fact]
    public void A_device_sleeps_only_as_long_as_its_rule_lets_it()
    {
        Watch("free", TwoSeconds with { MaxSleep = TimeSpan.FromSeconds(20) });
        Watch("bound", TwoSeconds).Heard(HeardBits.Heartbeat);
        _table.Sleep("free", TimeSpan.FromHours(1), Wall);
        _table.Sleep("bound", TimeSpan.FromHours(1), Wall);

        Pass(19_000);
        Assert.Equal(HeartbeatState.Sleeping, _table.Find("free")!.State);
        Assert.Equal(HeartbeatState.Offline, _table.Find("bound")!.State);

        Pass(6_000);
        Assert.Equal(HeartbeatState.Offline, _table.Find("free")!.State);
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 24)]
    public void A_wall_clock_that_jumps_changes_no_state()
    {
        var life = Watch("pump", TwoSeconds with { Every = TimeSpan.FromSeconds(5) });
        life.Heard(HeardBits.Telemetry);
        Pass(250);

        var found = new List<HeartbeatTransition>();
        _table.Scan(_now += 250, Wall.AddHours(-1), found);
        _table.Scan(_now += 250, Wall.AddHours(+1), found);

        Assert.Empty(found);
    }

    [Fact]
    [Conformance("heartbeat-monitoring", 14)]
    public void Messages_that_waited_long_set_online_and_say_so()
    {
        Watch("pump", TwoSeconds).Heard(HeardBits.Telemetry | HeardBits.Backlog);

        var found = Assert.Single(Pass(250));

        Assert.Equal((HeartbeatState.Online, HeartbeatCause.Backlog), (found.State, found.Cause));
    }

    [Fact]
    public void Pages_name_every_device_once_and_counts_agree()
    {
        for (var i = 0; i < 25; i++)
        {
            Watch($"pump-{i}", TwoSeconds);
        }

        _table.Remove("pump-7");
        _table.MarkOf("pump-3").Heard(HeardBits.Telemetry);
        Pass(250);

        var names = new List<string>();
        int? after = 0;
        while (after is { } from)
        {
            names.AddRange(_table.List(HeartbeatState.Unknown, null, from, 10, out after).Select(record => record.DeviceId));
        }

        Assert.Equal(23, names.Distinct().Count());
        Assert.Equal(23, names.Count);
        Assert.Equal(23, _table.Counts[(int)HeartbeatState.Unknown]);
        Assert.Equal(1, _table.Counts[(int)HeartbeatState.Online]);
    }

    private DateTimeOffset Wall => Start.AddMilliseconds(_now);

    private HeartbeatMark Watch(string device, HeartbeatTerms terms)
    {
        _table.Add(device, isEnabled: true, stored: null, Wall);
        _table.SetTerms(device, terms, null);
        return _table.MarkOf(device);
    }

    private List<HeartbeatTransition> Pass(long milliseconds) => Pass(milliseconds, out _);

    // As the monitor does it: a scan every quarter of a second.
    private List<HeartbeatTransition> Pass(long milliseconds, out List<long> times)
    {
        var found = new List<HeartbeatTransition>();
        times = [];
        for (var until = _now + milliseconds; _now < until;)
        {
            _table.Scan(_now += 250, Wall, found);
            while (times.Count < found.Count)
            {
                times.Add(_now);
            }
        }

        return found;
    }
}
