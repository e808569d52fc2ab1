using System.CommandLine;

namespace Nave.Bench.Scenarios;

/// <summary>
/// <c>latency</c>: messages spread evenly, each a wake-up of its own: what they cost beside other servers, and what the sync
/// adds to their acknowledgement beside a hub that does without.
/// </summary>
internal static class LatencyCommand
{
    private const double UsualRate = 10_000;
    private const double MicrosecondsPerMillisecond = 1000;

    public static Command Create()
    {
        var load = new RateOptions(UsualRate, connections: 100, window: 100);
        var command = new Command("latency", "10,000 messages a second spread evenly: CPU and the p99 of the acknowledgement, with and without the sync");
        load.AddTo(command);
        var comparison = new Comparison(command, "nave,nave-unsynced,mqttnet,mosquitto", warmUp: 3, duration: 5);
        command.SetAction((parsed, stopping) => comparison.RunAsync(parsed, () => load.Plan("latency", parsed, Judge), stopping));
        return command;
    }

    /// <summary>Rows 3 and 4.</summary>
    public static IEnumerable<Demand> Judge(string @case, IReadOnlyList<ScenarioRow> rows, DiskReport disk)
    {
        if (rows.Of(NavePeer.PeerName, @case) is not { } nave)
        {
            yield break;
        }

        yield return new Demand(
            3, "CPU a message",
            Bar.AtMost(nave.ServerCpuSecondsPerMillion, 1.2, MqttNetPeer.PeerName, rows.Of(MqttNetPeer.PeerName, @case)?.ServerCpuSecondsPerMillion),
            Bar.AtMost(nave.ServerCpuSecondsPerMillion, 2, MosquittoPeer.PeerName, rows.Of(MosquittoPeer.PeerName, @case)?.ServerCpuSecondsPerMillion));

        if (rows.Of(NavePeer.UnsyncedName, @case) is { } unsynced)
        {
            var (own, sync) = (unsynced.P99Ms.Median, disk.SyncP99Microseconds / MicrosecondsPerMillisecond);
            yield return new Demand(
                4, FormattableString.Invariant($"p99 acknowledgement (without sync {own:0.0} ms, p99 of a 4 KB fdatasync {sync:0.00} ms)"),
                Bar.AtMost(nave.P99Ms.Median, Math.Round(own + (4 * sync) + 5, 2), "ms"),
                Bar.AtMost(nave.P99Ms.Median, Math.Round(own + (2 * sync) + 2, 2), "ms"));
        }
    }
}
