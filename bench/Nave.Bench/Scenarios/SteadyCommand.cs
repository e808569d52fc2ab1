using System.CommandLine;

namespace Nave.Bench.Scenarios;

/// <summary><c>steady</c>: what the largest hub of the cloud service takes, for a minute: does a server keep up, and at what cost.</summary>
internal static class SteadyCommand
{
    private const double UsualRate = 60_000;
    private const double ShareKept = 0.99; // Of the rate; the rest is the interval's edges.

    // What two halves may differ by where nothing builds up: a server that is 1 % too slow for a minute is 300 ms later in the last one.
    private const double RiseShare = 1.10;
    private const double RiseMs = 5;

    public static Command Create()
    {
        var load = new RateOptions(UsualRate, connections: 5000, window: 50);
        var command = new Command("steady", "60,000 messages a second from 5,000 connections for a minute: lateness, p99 and CPU");
        load.AddTo(command);
        var comparison = new Comparison(command, "nave,mqttnet,mosquitto", warmUp: 5, duration: 60);
        command.SetAction((parsed, stopping) => comparison.RunAsync(
            parsed, () => load.Plan("steady", parsed, (@case, rows, _) => Judge(@case, load.Rate(parsed), rows)), stopping));
        return command;
    }

    /// <summary>Row 5.</summary>
    public static IEnumerable<Demand> Judge(string @case, double rate, IReadOnlyList<ScenarioRow> rows)
    {
        if (rows.Of(NavePeer.PeerName, @case) is not { } nave)
        {
            yield break;
        }

        yield return new Demand(5, "acknowledged a second", Bar.AtLeast(nave.AcknowledgedPerSecond.Median, ShareKept * rate, "a second"));
        yield return new Demand(
            5, "mean lateness in the last half (the first, a tenth and 5 ms)",
            Bar.AtMost(nave.LastHalfMeanMs.Median, Math.Round((nave.FirstHalfMeanMs.Median * RiseShare) + RiseMs, 2), "ms"));
        yield return new Demand(5, "p99 from the due time", Bar.AtMost(nave.P99Ms.Median, 2000, "ms"));
        yield return new Demand(
            5, "CPU a message",
            Bar.AtMost(nave.ServerCpuSecondsPerMillion, 0.9, MqttNetPeer.PeerName, rows.Of(MqttNetPeer.PeerName, @case)?.ServerCpuSecondsPerMillion),
            Bar.AtMost(nave.ServerCpuSecondsPerMillion, 1.2, MosquittoPeer.PeerName, rows.Of(MosquittoPeer.PeerName, @case)?.ServerCpuSecondsPerMillion));
    }
}
