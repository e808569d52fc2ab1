using System.Text;
using System.Text.Json.Nodes;

namespace Nave.Hub.Heartbeats;

/// <summary>
/// Which transitions are worth waking somebody for (spec/heartbeat-monitoring.md 3.3): offline, failing, and back online.
/// A group that falls silent together is one alert, and so is a device that comes and goes; what they stand for is not
/// told one by one. What operators have silenced is held back until the silence ends, and told then if it still stands.
/// Transitions themselves are never held back. One caller.
/// </summary>
internal sealed class HeartbeatAlerts(HeartbeatTable table, HeartbeatSilences silences, HeartbeatOptions options)
{
    private const string Hub = "";

    // Devices that fall silent within this time fell silent together.
    private static readonly TimeSpan Together = TimeSpan.FromSeconds(60);

    private readonly Dictionary<string, GroupWatch> _groups = new(StringComparer.Ordinal);
    private readonly HashSet<string> _flapping = new(StringComparer.Ordinal);

    // Told alone, so that its return is told, too.
    private readonly HashSet<string> _alarmed = new(StringComparer.Ordinal);

    // Not told because of a silence; asked again when one ends.
    private readonly HashSet<string> _held = new(StringComparer.Ordinal);

    /// <summary>The alerts of some transitions, in order.</summary>
    public IReadOnlyList<HeartbeatNotice> Of(IReadOnlyList<(HeartbeatTransition Transition, byte[] Body)> transitions, DateTimeOffset now)
    {
        var alerts = new List<HeartbeatNotice>();

        // 1. Whole groups first: they speak for their devices.
        foreach (var (transition, _) in transitions)
        {
            if (transition.State is HeartbeatState.Late or HeartbeatState.Offline && transition.Previous is HeartbeatState.Online or HeartbeatState.Sleeping
                && !silences.Holds(transition.DeviceId, transition.Group, now))
            {
                Watch(Hub).Fell(now, Together);
                if (transition.Group is { } group)
                {
                    Watch(group).Fell(now, Together);
                }
            }
        }

        foreach (var (group, watch) in _groups.ToArray())
        {
            JudgeGroup(group, watch, now, alerts);
        }

        // 2. Then single devices.
        foreach (var (transition, body) in transitions)
        {
            if (!IsSuppressed(transition.State, transition.Group))
            {
                JudgeDevice(transition, body, now, alerts);
            }
        }

        return alerts;
    }

    /// <summary>What was held back by a silence that is over, and still stands.</summary>
    public IReadOnlyList<HeartbeatNotice> Released(DateTimeOffset now)
    {
        var alerts = new List<HeartbeatNotice>();
        var released = new List<(string Device, HeartbeatRecord Record)>();
        foreach (var device in _held.ToArray())
        {
            if (table.Find(device) is not { State: HeartbeatState.Offline or HeartbeatState.Failing } record)
            {
                _held.Remove(device);
            }
            else if (!silences.Holds(device, record.Group, now))
            {
                _held.Remove(device);
                released.Add((device, record));
            }
        }

        // A silence that hid a whole group's fall is followed by the one alert that it would have been.
        var silent = released.FindAll(one => one.Record.State is HeartbeatState.Offline);
        JudgeReleased(Hub, silent.Count, now, alerts);
        foreach (var group in silent.Where(one => one.Record.Group is { Length: > 0 }).CountBy(one => one.Record.Group!))
        {
            JudgeReleased(group.Key, group.Value, now, alerts);
        }

        foreach (var (device, record) in released)
        {
            if (!IsSuppressed(record.State, record.Group))
            {
                _alarmed.Add(device);
                alerts.Add(new HeartbeatNotice("alert", Encoding.UTF8.GetBytes(HeartbeatJson.Describe(record).ToJsonString())));
            }
        }

        return alerts;
    }

    private void JudgeReleased(string group, int count, DateTimeOffset now, List<HeartbeatNotice> alerts)
    {
        if (count < options.GroupLeast || (_groups.TryGetValue(group, out var watch) && watch.IsSilent) || silences.HoldsGroup(group == Hub ? null : group, now))
        {
            return;
        }

        var (watched, silent) = table.CountGroup(group == Hub ? null : group);
        if (count * 100L >= (long)watched * options.GroupPercent)
        {
            Watch(group).IsSilent = true;
            alerts.Add(DescribeGroup(group, isSilent: true, silent, watched, now));
        }
    }

    private void JudgeGroup(string group, GroupWatch watch, DateTimeOffset now, List<HeartbeatNotice> alerts)
    {
        if (!watch.IsSilent && watch.Fallen(now, Together) < options.GroupLeast)
        {
            if (watch.Fallen(now, Together) == 0)
            {
                _groups.Remove(group);
            }

            return;
        }

        var (watched, silent) = table.CountGroup(group == Hub ? null : group);
        var isSilent = watch.IsSilent
            ? silent * 200 > watched * options.GroupPercent // Over when half of what made it is back.
            : watch.Fallen(now, Together) * 100 >= watched * options.GroupPercent;
        if (isSilent != watch.IsSilent && (!isSilent || !silences.HoldsGroup(group == Hub ? null : group, now)))
        {
            watch.IsSilent = isSilent;
            alerts.Add(DescribeGroup(group, isSilent, silent, watched, now));
        }
    }

    private static HeartbeatNotice DescribeGroup(string group, bool isSilent, int silent, int watched, DateTimeOffset now) =>
        new("group", Encoding.UTF8.GetBytes(new JsonObject
        {
            ["group"] = group == Hub ? null : group,
            ["state"] = isSilent ? "silent" : "back",
            ["silent"] = silent,
            ["watched"] = watched,
            ["at"] = HeartbeatJson.Text(now),
        }.ToJsonString()));

    private void JudgeDevice(HeartbeatTransition transition, byte[] body, DateTimeOffset now, List<HeartbeatNotice> alerts)
    {
        // Its return is told of one whose alert was told.
        if (silences.Holds(transition.DeviceId, transition.Group, now) && !(transition.State is HeartbeatState.Online && _alarmed.Contains(transition.DeviceId)))
        {
            _ = transition.State is HeartbeatState.Offline or HeartbeatState.Failing ? _held.Add(transition.DeviceId) : _held.Remove(transition.DeviceId);
            return;
        }

        _held.Remove(transition.DeviceId);
        if (transition.IsFlapping)
        {
            if (_flapping.Add(transition.DeviceId))
            {
                alerts.Add(new HeartbeatNotice("flapping", body));
            }

            return;
        }

        _flapping.Remove(transition.DeviceId);
        if (transition.State is HeartbeatState.Offline or HeartbeatState.Failing)
        {
            _alarmed.Add(transition.DeviceId);
            alerts.Add(new HeartbeatNotice("alert", body));
        }
        else if (transition.State is HeartbeatState.Online && _alarmed.Remove(transition.DeviceId))
        {
            alerts.Add(new HeartbeatNotice("resolved", body));
        }
    }

    private bool IsSuppressed(HeartbeatState state, string? group) =>
        state is HeartbeatState.Late or HeartbeatState.Offline
        && ((_groups.TryGetValue(Hub, out var hub) && hub.IsSilent)
            || (group is not null && _groups.TryGetValue(group, out var watch) && watch.IsSilent));

    private GroupWatch Watch(string group)
    {
        if (!_groups.TryGetValue(group, out var watch))
        {
            _groups[group] = watch = new GroupWatch();
        }

        return watch;
    }

    /// <summary>Those of a group that fell silent of late: counted by the second.</summary>
    private sealed class GroupWatch
    {
        private readonly Queue<(DateTimeOffset At, int Count)> _falls = new();
        private int _sum;

        public bool IsSilent { get; set; }

        public void Fell(DateTimeOffset now, TimeSpan within)
        {
            _ = Fallen(now, within);
            _falls.Enqueue((now, 1));
            _sum++;
        }

        public int Fallen(DateTimeOffset now, TimeSpan within)
        {
            while (_falls.TryPeek(out var oldest) && (now - oldest.At > within || oldest.At > now))
            {
                _sum -= _falls.Dequeue().Count;
            }

            return _sum;
        }
    }
}
