using System.CommandLine;
using System.Globalization;
using Nave.Bench.Linux;
using Spectre.Console;

namespace Nave.Bench.Scenarios;

/// <summary>
/// <c>connections</c>: idle authenticated connections, what each costs the server in memory, and what connecting costs, for the
/// first time and again.
/// </summary>
internal sealed class ConnectionsCommand
{
    private const double LargestShareOfOthers = 0.25;
    private const int JudgedFrom = 10_000; // Fewer say little: start-up is spread over them.
    private const string Plain = "plain";
    private const string Tls = "tls";
    private const int WarmUpDevices = 200; // Their code is compiled, then the counting begins.

    private readonly ScenarioFrame _frame;
    private readonly Option<int> _connections = new("--connections") { Description = "connections", DefaultValueFactory = _ => JudgedFrom };
    private readonly Option<string> _transports = new("--transports") { Description = "plain, tls, or both", DefaultValueFactory = _ => "plain,tls" };
    private readonly Option<string> _peers = new("--peers")
    {
        Description = $"servers to measure, in this order, of {PeerList.All}",
        DefaultValueFactory = _ => "nave,mqttnet,kestrel,mosquitto",
    };

    private readonly Option<string> _tlsVersion = new("--tls-version") { Description = "1.2 or 1.3", DefaultValueFactory = _ => "1.3" };
    private readonly Option<int> _rounds = new("--rounds") { Description = "interleaved rounds, a fresh process each", DefaultValueFactory = _ => 5 };
    private readonly Option<double> _settle = new("--settle") { Description = "seconds of rest before memory is read", DefaultValueFactory = _ => 5 };
    private readonly Option<bool> _install = new("--install") { Description = "install missing peers with apt-get and npm" };

    private ConnectionsCommand(Command command)
    {
        foreach (var option in (Option[])[_connections, _transports, _peers, _tlsVersion, _rounds, _settle, _install])
        {
            command.Options.Add(option);
        }

        _frame = new ScenarioFrame(command);
    }

    public static Command Create()
    {
        var command = new Command("connections", "idle connections: server memory each, plain and TLS; connects a second and CPU each, first and again");
        var options = new ConnectionsCommand(command);
        command.SetAction((parsed, stopping) => options._frame.RunAsync(
            parsed, space => options.MeasureAsync(parsed, space, stopping), BenchJson.Indented.ConnectionsReport, ConnectionsView.Write));
        return command;
    }

    /// <summary>Rows 7, 8 and 9.</summary>
    public static IEnumerable<Demand> Judge(IReadOnlyList<ConnectionsRow> rows)
    {
        ConnectionsRow? Of(string peer, string transport) => rows.FirstOrDefault(row => row.Peer == peer && row.Transport == transport);

        if (Of(NavePeer.PeerName, Plain) is { } plain)
        {
            var mqttNet = Of(MqttNetPeer.PeerName, Plain);
            yield return new Demand(
                7, "bytes of an idle connection, plain",
                Bar.AtMost(plain.BytesEach, 0.7, MqttNetPeer.PeerName, mqttNet?.BytesEach),
                Of(KestrelPeer.PeerName, Plain) is { } bare
                    ? Bar.AtMost(plain.BytesEach.Median, bare.BytesEach.Median + 1024, "bytes (a bare Kestrel handler's and 1 KB)")
                    : null);
            yield return new Demand(
                8, "CPU of a connect with its SAS check, plain, a device's first",
                Bar.AtMost(plain.ColdCpuMilliseconds, 2, MqttNetPeer.PeerName, mqttNet?.ColdCpuMilliseconds),
                Bar.AtMost(plain.ColdCpuMilliseconds, 1.2, MqttNetPeer.PeerName, mqttNet?.ColdCpuMilliseconds));
            yield return new Demand(
                8, "the same, a device that comes back",
                Bar.AtMost(plain.WarmCpuMilliseconds, 2, MqttNetPeer.PeerName, mqttNet?.WarmCpuMilliseconds),
                Bar.AtMost(plain.WarmCpuMilliseconds, 1.2, MqttNetPeer.PeerName, mqttNet?.WarmCpuMilliseconds));
        }

        if (Of(NavePeer.PeerName, Tls) is { } tls)
        {
            var kestrel = Of(KestrelPeer.PeerName, Tls);
            yield return new Demand(
                7, "bytes of an idle connection, TLS",
                Bar.AtMost(tls.BytesEach, 1.15, KestrelPeer.PeerName, kestrel?.BytesEach),
                Bar.AtMost(tls.BytesEach, 0.5, KestrelPeer.PeerName, kestrel?.BytesEach));
            yield return new Demand(
                9, "TLS connects a second",
                Bar.AtLeast(tls.ColdConnectsPerSecond, 0.9, KestrelPeer.PeerName, kestrel?.ColdConnectsPerSecond),
                Bar.AtLeast(tls.ColdConnectsPerSecond, 1, MosquittoPeer.PeerName, Of(MosquittoPeer.PeerName, Tls)?.ColdConnectsPerSecond));
        }
    }

    private async Task<ConnectionsReport> MeasureAsync(ParseResult parsed, ScenarioSpace space, CancellationToken stopping)
    {
        var time = TimeProvider.System;
        var startedAt = time.GetUtcNow();
        var peers = PeerList.Parse(parsed.GetValue(_peers)!, space.NaveProgram);
        var transports = parsed.GetValue(_transports)!.Split(',', StringSplitOptions.TrimEntries).Select(Transport).ToArray();
        var connections = parsed.GetValue(_connections);
        var setting = new PeerSetting(space.Directory, connections + WarmUpDevices, Tls: false, parsed.GetValue(_install), time);
        FileLimit.Ensure(connections + WarmUpDevices);
        var versions = await PeerList.PrepareAsync(peers, setting, stopping);
        var (machine, disk) = (MachineReport.Read(), DiskReport.Measure(space.Directory));

        var runs = new List<ConnectionsRun>();
        for (var round = 1; round <= parsed.GetValue(_rounds); round++)
        {
            foreach (var transport in transports)
            {
                foreach (var peer in peers.Where(peer => transport is Plain || peer.Name is not FloorPeer.PeerName))
                {
                    var run = await RunOneAsync(parsed, peer, setting with { Tls = transport is Tls }, round, stopping);
                    runs.Add(run);
                    space.Progress.MarkupLineInterpolated(CultureInfo.InvariantCulture,
                        $"round {round}, {transport}, {peer.Name}: {run.BytesEach:N0} bytes each, {run.Cold.ConnectsPerSecond:N0} connects/s at {run.Cold.Server?.CpuMillisecondsPerConnect:0.000} ms CPU, again {run.Warm.ConnectsPerSecond:N0}/s at {run.Warm.Server?.CpuMillisecondsPerConnect:0.000}{(run.Cold.FirstError ?? run.Warm.FirstError) switch { null => "", var error => $", {error}" }}");
                }
            }
        }

        var rows = ConnectionsRow.Of(runs);
        return new ConnectionsReport(
            startedAt, [.. Voids(machine, rows)], machine, disk, versions, Settings(parsed),
            connections >= JudgedFrom ? [.. Judge(rows)] : [], rows, runs);
    }

    private async Task<ConnectionsRun> RunOneAsync(ParseResult parsed, IPeer peer, PeerSetting setting, int round, CancellationToken stopping)
    {
        await using var server = await peer.StartAsync(setting, stopping);
        var connections = parsed.GetValue(_connections);
        string[] common = ["--connections", "0", "--source", Loopback.Sources(connections), .. setting.Tls ? (string[])["--tls-version", parsed.GetValue(_tlsVersion)!] : []];

        // 1. Other devices, so that code is compiled and pools have their first size.
        await Generator.RunAsync(
            server, peer.Name, [.. common, "--first", Text(connections), "--idle", Text(WarmUpDevices), "--warm-up", "0.5", "--duration", "0.1"], stopping);

        // 2. All, for the first time; they stay while the server comes to rest.
        var cold = await Generator.RunAsync(
            server, peer.Name, [.. common, "--idle", Text(connections), "--warm-up", Text(parsed.GetValue(_settle)), "--duration", "0.2"], stopping);

        // 3. All again.
        var warm = await Generator.RunAsync(
            server, peer.Name, [.. common, "--idle", Text(connections), "--warm-up", "0", "--duration", "0.1"], stopping);
        return new ConnectionsRun(peer.Name, setting.Tls ? Tls : Plain, round, cold, warm);
    }

    private Dictionary<string, string> Settings(ParseResult parsed) => new()
    {
        ["connections"] = Text(parsed.GetValue(_connections)),
        ["TLS"] = parsed.GetValue(_tlsVersion)!,
        ["connects at once"] = "64",
        ["keep-alive s"] = "300",
        ["rest s"] = Text(parsed.GetValue(_settle)),
        ["rounds"] = Text(parsed.GetValue(_rounds)),
        ["nave"] = "SAS token of each device; the others anonymous",
    };

    private static IEnumerable<string> Voids(MachineReport machine, IReadOnlyList<ConnectionsRow> rows)
    {
        foreach (var row in rows.Where(row => row.Errors > 0))
        {
            yield return $"{row.Peer}, {row.Transport}, had {row.Errors} errors, the first: {row.FirstError ?? "no reason"}";
        }

        if (rows.Max(row => row.OtherCores.Median) is var others && others > LargestShareOfOthers * machine.Cores)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"other work took {others:0.0} of the {machine.Cores} cores: connect rates are not the servers' own.");
        }
    }

    private static string Transport(string text) => text is Plain or Tls ? text : throw new FormatException($"a transport is plain or tls, not \"{text}\"");

    private static string Text(IFormattable number) => number.ToString(null, CultureInfo.InvariantCulture);
}
