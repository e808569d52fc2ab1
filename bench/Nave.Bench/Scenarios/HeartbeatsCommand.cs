using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Nave.Hub.Heartbeats;

namespace Nave.Bench.Scenarios;

/// <summary>
/// <c>heartbeats</c>: the heartbeat table by itself, with as many devices as asked for: what a second of it costs, and how
/// late a silent device is found.
/// </summary>
internal static class HeartbeatsCommand
{
    private static readonly TimeSpan ScanInterval = HeartbeatMonitor.ScanInterval;

    public static Command Create()
    {
        var devices = new Option<int>("--devices") { Description = "tracked devices", DefaultValueFactory = _ => 1_000_000 };
        var every = new Option<double>("--every") { Description = "seconds between two beats of a device", DefaultValueFactory = _ => 60 };
        var seconds = new Option<int>("--seconds") { Description = "how long it runs", DefaultValueFactory = _ => 90 };
        var silenced = new Option<int>("--silenced") { Description = "devices that stop after their first beat", DefaultValueFactory = _ => 1_000 };
        var json = new Option<bool>("--json") { Description = "print JSON" };
        var command = new Command("heartbeats", "what watching a fleet costs, and how late a silent device is found") { devices, every, seconds, silenced, json };
        command.SetAction(async (parsed, stopping) =>
        {
            var report = await RunAsync(
                parsed.GetValue(devices), TimeSpan.FromSeconds(parsed.GetValue(every)), TimeSpan.FromSeconds(parsed.GetValue(seconds)),
                parsed.GetValue(silenced), stopping);
            Console.WriteLine(parsed.GetValue(json) ? JsonSerializer.Serialize(report) : report.ToString());
            return report.Verdicts.All(verdict => verdict.IsMet is not false) ? 0 : 1;
        });
        return command;
    }

    private static async Task<Report> RunAsync(int devices, TimeSpan every, TimeSpan duration, int silenced, CancellationToken stopping)
    {
        // 1. The fleet, and what it takes in memory with names and all.
        var names = Enumerable.Range(0, devices).Select(i => $"device-{i:D7}").ToArray();
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var table = new HeartbeatTable();
        var terms = new HeartbeatTerms { Source = "default", Every = every, MissedAllowed = 1, Grace = TimeSpan.FromSeconds(5) };
        foreach (var name in names)
        {
            table.Add(name, isEnabled: true, stored: null, DateTimeOffset.UnixEpoch);
            table.SetTerms(name, terms, null);
        }

        var marks = Array.ConvertAll(names, table.MarkOf);
        var memory = GC.GetTotalMemory(forceFullCollection: true) - before - ((long)devices * 16);

        // 2. Beats dealt out over the period, and a scan every quarter of a second.
        var clock = new HearingClock(TimeProvider.System);
        var lastBeat = new Dictionary<string, long>(silenced);
        var found = new List<HeartbeatTransition>();
        var scans = new List<double>();
        var lateness = new List<double>();
        var began = Stopwatch.GetTimestamp();
        var scanCpu = TimeSpan.Zero;
        long beaten = 0;
        var falseAlarms = 0;
        using var timer = new PeriodicTimer(ScanInterval);
        while (Stopwatch.GetElapsedTime(began) < duration && await timer.WaitForNextTickAsync(stopping))
        {
            for (var due = (long)(devices * (Stopwatch.GetElapsedTime(began) / every)); beaten < due; beaten++)
            {
                var device = (int)(beaten % devices);
                if (device >= silenced)
                {
                    marks[device].Heard(HeardBits.Telemetry);
                }
                else if (lastBeat.TryAdd(names[device], Stopwatch.GetTimestamp()))
                {
                    marks[device].Heard(HeardBits.Telemetry);
                }
            }

            var cpu = Environment.CpuUsage.TotalTime;
            var from = Stopwatch.GetTimestamp();
            clock.Advance(isHearing: true);
            table.Scan(clock.NowMs, TimeProvider.System.GetUtcNow(), found);
            var took = Stopwatch.GetElapsedTime(from);
            scanCpu += Environment.CpuUsage.TotalTime - cpu; // Nothing else runs in this process meanwhile.
            scans.Add(took.TotalMilliseconds);
            foreach (var transition in found)
            {
                falseAlarms += transition.State is HeartbeatState.Late or HeartbeatState.Offline && !lastBeat.ContainsKey(transition.DeviceId) ? 1 : 0;
                if (transition.State is HeartbeatState.Offline && lastBeat.TryGetValue(transition.DeviceId, out var at))
                {
                    lateness.Add((Stopwatch.GetElapsedTime(at) - TimeSpan.FromMilliseconds(terms.OfflineAfterMs())).TotalMilliseconds);
                }
            }

            found.Clear();
        }

        scans.Sort();
        lateness.Sort();
        var elapsed = Stopwatch.GetElapsedTime(began);
        return new Report(
            devices, Math.Round(beaten / elapsed.TotalSeconds), Math.Round(memory / (double)devices, 1),
            Math.Round(100 * scanCpu / elapsed, 3), At(scans, 0.5), At(scans, 0.99), At(scans, 1),
            lateness.Count, IsLongEnough(terms, every, elapsed) ? silenced : null, falseAlarms,
            At(lateness, 0), At(lateness, 0.99), At(lateness, 1), (await File.ReadAllTextAsync("/proc/loadavg", stopping)).Trim());
    }

    // Each of those that stop has beaten once, and its deadline is past by a second.
    private static bool IsLongEnough(HeartbeatTerms terms, TimeSpan every, TimeSpan elapsed) =>
        elapsed > every + TimeSpan.FromMilliseconds(terms.OfflineAfterMs()) + TimeSpan.FromSeconds(1);

    private static double At(List<double> sorted, double share) =>
        sorted.Count == 0 ? double.NaN : Math.Round(sorted[(int)Math.Min(sorted.Count - 1, share * sorted.Count)], 2);

    private sealed record Report(
        int Devices, double BeatsPerSecond, double BytesPerDevice, double PercentOfOneCore, double ScanMedianMs, double ScanP99Ms, double ScanMaxMs,
        int FoundSilent, int? ToBeFound, int FalseAlarms, double LatenessLeastMs, double LatenessP99Ms, double LatenessMaxMs, string LoadAverage)
    {
        /// <summary>Row 15 of heartbeat-monitoring.md; demanded of a million devices that beat once a minute, for ten minutes.</summary>
        public IReadOnlyList<Verdict> Verdicts =>
        [
            new("CPU of the scans below 10 % of a core", PercentOfOneCore < 10),
            new("scan p99 below 10 ms", ScanP99Ms < 10),
            new("no transition missed", ToBeFound is { } all ? FoundSilent == all : null),
            new("no false alarm", FalseAlarms == 0),
            new("never early, late by a second at most", FoundSilent > 0 ? LatenessLeastMs >= 0 && LatenessMaxMs <= 1000 : null),
        ];

        public override string ToString() => FormattableString.Invariant($"""
            {Devices:N0} devices, {BeatsPerSecond:N0} beats/s, {BytesPerDevice} B a device with its place in the index (its id not counted)
            scans: {PercentOfOneCore} % of one core (CPU time); by the clock median {ScanMedianMs} ms, p99 {ScanP99Ms} ms, longest {ScanMaxMs} ms
            silent: {FoundSilent} found; after their deadline by {LatenessLeastMs} ms at least, p99 {LatenessP99Ms} ms, {LatenessMaxMs} ms at most
            load average {LoadAverage}
            {string.Join('\n', Verdicts)}
            """);
    }

    private sealed record Verdict(string What, bool? IsMet)
    {
        public override string ToString() => $"{What}: {IsMet switch { true => "met", false => "NOT met", null => "not judged: the run is too short for it" }}";
    }
}
