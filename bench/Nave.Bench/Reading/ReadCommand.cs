using System.CommandLine;
using System.Globalization;
using Nave.Bench.Amqp;
using Nave.Bench.Figures;
using Nave.Bench.Linux;
using Nave.Bench.Scenarios;
using Spectre.Console;

namespace Nave.Bench.Reading;

/// <summary>
/// <c>read</c>: the events endpoint, from the start of a long log and at its tail while telemetry comes in; the tail beside
/// mosquitto with one subscriber to the same flow.
/// </summary>
internal sealed class ReadCommand
{
    public const string Tail = "tail";
    private const string Start = "start";
    private const int ShippedPartitions = 4;
    private const int MostPartitions = 32;

    // Readers from the start of a log, taking its partitions in turn: one reads a quarter of it, eight read each event twice.
    private static readonly (string Case, int Readers, int Partitions)[] Starts =
    [
        ("1 reader, 4 parts", 1, ShippedPartitions),
        ("8 readers, 4 parts", 8, ShippedPartitions),
        ("32 readers, 32 parts", MostPartitions, MostPartitions),
    ];

    private readonly Option<string> _parts = new("--parts") { Description = $"what to measure: {Start}, {Tail}", DefaultValueFactory = _ => $"{Start},{Tail}" };
    private readonly Option<int> _rounds = Number("--rounds", "interleaved rounds, a fresh process each", 5);
    private readonly Option<int> _events = Number("--events", "events in the log that is read from the start", 10_000_000);
    private readonly Option<double> _seconds = new("--tail-seconds") { Description = "seconds of telemetry at the tail", DefaultValueFactory = _ => 30 };
    private readonly Option<double?> _rate = new("--rate") { Description = "messages a second at the tail; left out: as fast as acknowledgements come" };
    private readonly Option<int> _connections = Number("--connections", "devices that send", 100);
    private readonly Option<int> _window = Number("--window", "messages of a device without an acknowledgement", 10);
    private readonly Option<int> _payload = Number("--payload", "bytes of a message", 256);
    private readonly Option<int> _credit = Number("--credit", "credit of a reader", 1000);
    private readonly Option<bool> _install = new("--install") { Description = "install missing peers with apt-get" };

    public static Command Create()
    {
        var options = new ReadCommand();
        var command = new Command("read", "the events endpoint from the start of a long log and at its tail, beside mosquitto with one subscriber")
        {
            options._parts, options._rounds, options._events, options._seconds, options._rate, options._connections, options._window,
            options._payload, options._credit, options._install,
        };
        var frame = new ScenarioFrame(command);
        command.SetAction((parsed, stopping) => frame.RunAsync(
            parsed, space => options.MeasureAsync(parsed, space, stopping), BenchJson.Indented.FiguresReport, FiguresView.Write));
        return command;
    }

    /// <summary>Row 6. That everything was read is no demand here: a run that lost something is void.</summary>
    public static IEnumerable<Demand> Judge(IReadOnlyList<FiguresRow> rows)
    {
        if (rows.Find(NavePeer.PeerName, Tail, AmqpFigures.Cpu) is not { } cpu)
        {
            yield break;
        }

        var mosquitto = rows.Find(MosquittoPeer.PeerName, Tail, AmqpFigures.Cpu);
        yield return new Demand(6, "lag, the largest of all rounds", Bar.AtMost(rows.Find(NavePeer.PeerName, Tail, AmqpFigures.LagMax)?.Max, 1000, "ms"));
        yield return new Demand(
            6, "CPU a message, in and out",
            Bar.AtMost(cpu, 0.8, "mosquitto with one subscriber", mosquitto), Bar.AtMost(cpu, 0.4, "mosquitto with one subscriber", mosquitto));
    }

    private async Task<FiguresReport> MeasureAsync(ParseResult parsed, ScenarioSpace space, CancellationToken stopping)
    {
        var time = TimeProvider.System;
        var startedAt = time.GetUtcNow();
        var (machine, disk) = (MachineReport.Read(), DiskReport.Measure(space.Directory));
        var setting = new PeerSetting(space.Directory, parsed.GetValue(_connections), Tls: false, parsed.GetValue(_install), time);
        var (nave, mosquitto) = (new NavePeer(space.NaveProgram), new MosquittoPeer());
        var parts = parsed.GetValue(_parts)!.Split(',', StringSplitOptions.TrimEntries);
        var versions = await PeerList.PrepareAsync(parts.Contains(Tail) ? [nave, mosquitto] : [nave], setting, stopping);

        var pairs = new List<(string Case, string Subject)>();
        var logs = new Dictionary<int, FilledLog>();
        if (parts.Contains(Start))
        {
            pairs.AddRange(Starts.Select(start => (start.Case, NavePeer.PeerName)));
            foreach (var partitions in Starts.Select(start => start.Partitions).Distinct())
            {
                logs[partitions] = await FillAsync(parsed, nave, setting, partitions, space, stopping);
            }
        }

        pairs.AddRange(parts.Contains(Tail) ? [(Tail, NavePeer.PeerName), (Tail, MosquittoPeer.PeerName)] : []);
        var runs = await new InterleavedFigures(
            pairs,
            parsed.GetValue(_rounds),
            (@case, subject) => @case is Tail
                ? RunTailAsync(parsed, subject is NavePeer.PeerName ? nave : mosquitto, setting, stopping)
                : RunStartAsync(parsed, nave, setting, Array.Find(Starts, start => start.Case == @case).Readers, logs[Array.Find(Starts, start => start.Case == @case).Partitions], stopping),
            space.Progress,
            time).RunAsync();
        var rows = FiguresRow.Of(runs);
        return new FiguresReport(
            "read", startedAt, [.. FiguresVoids.Of(machine, disk, rows, null, AmqpFigures.Rate)], machine, disk, versions, Settings(parsed),
            [.. parsed.GetValue(_payload) is 256 ? Judge(rows) : []], rows, runs);
    }

    // Once for all rounds: a hub that is started on the data reads what another has written.
    private async Task<FilledLog> FillAsync(
        ParseResult parsed, NavePeer nave, PeerSetting setting, int partitions, ScenarioSpace space, CancellationToken stopping)
    {
        var log = new FilledLog(Path.Combine(setting.Directory, $"filled-{partitions}"), partitions, []);
        await using var hub = await nave.StartAtAsync(log.Directory, setting, log.Configuration, stopping);
        var ends = await HubFill.RunAsync(hub, parsed.GetValue(_events), partitions, LoadArguments(parsed), stopping);
        space.Progress.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[grey]filled: {ends.Sum():N0} events in {partitions} partitions[/]");
        return log with { Ends = ends };
    }

    private async Task<RunFigures> RunStartAsync(
        ParseResult parsed, NavePeer nave, PeerSetting setting, int readers, FilledLog log, CancellationToken stopping)
    {
        await using var hub = await nave.StartAtAsync(log.Directory, setting, log.Configuration, stopping);
        await using var reader = StartReaders(parsed, hub, setting, readers, log.Partitions);
        await ReadingProcess.WaitReadyAsync(reader, stopping);
        await ReadingProcess.TellAsync(reader, PartitionEnds.Line(log.Ends), stopping);
        var figures = await OwnRole.ReadAsync(reader, stopping);
        string[] wanted = [AmqpFigures.Rate, AmqpFigures.Megabytes, AmqpFigures.Cpu, AmqpFigures.ClientCpu, AmqpFigures.Events];
        return figures with { Values = wanted.ToDictionary(name => name, name => figures.Values[name]) }; // An old event's age is no lag.
    }

    private async Task<RunFigures> RunTailAsync(ParseResult parsed, IPeer peer, PeerSetting setting, CancellationToken stopping)
    {
        await using var server = await peer.StartAsync(setting, stopping);
        await using var reader = server.Hub is null
            ? ChildProcess.StartOwn(MqttSubscriberCommand.Name, "--port", Text(server.Port), "--server-pid", Text(server.ProcessId))
            : StartReaders(parsed, server, setting, ShippedPartitions, ShippedPartitions);
        await ReadingProcess.WaitReadyAsync(reader, stopping);
        var meter = new CpuMeter(server.ProcessId, setting.Time);
        var load = await LoadRole.RunAsync(
            server,
            [
                .. LoadArguments(parsed), "--warm-up", "0", "--duration", Text(parsed.GetValue(_seconds)),
                .. parsed.GetValue(_rate) is { } rate ? (string[])["--rate", Text(rate)] : [],
            ],
            stopping);
        var ends = server.Hub is { } hub ? await PartitionEnds.ReadAsync(hub, ShippedPartitions) : [load.Acknowledged];
        await ReadingProcess.TellAsync(reader, PartitionEnds.Line(ends), stopping);
        var read = await OwnRole.ReadAsync(reader, stopping);
        var cpu = meter.Read(); // Until everything is read: what a server has put off counts too.
        var events = read.Values[AmqpFigures.Events];
        var isLost = events < load.Acknowledged;
        var values = new Dictionary<string, double>
        {
            [AmqpFigures.Rate] = load.AcknowledgedPerSecond,
            [AmqpFigures.Cpu] = cpu.ServerSeconds / Math.Max(events, 1) * 1e6,
            ["reader s/M"] = read.Values[AmqpFigures.ClientCpu],
            ["ack p99 ms"] = load.Acknowledgement.P99Ms,
            [AmqpFigures.Events] = events,
        };
        foreach (var lag in (string[])[AmqpFigures.LagP50, AmqpFigures.LagP99, AmqpFigures.LagMax])
        {
            if (read.Values.TryGetValue(lag, out var value))
            {
                values[lag] = value;
            }
        }

        return new RunFigures(
            values, load.OtherCores - read.Values[AmqpFigures.ClientCpu] * events / 1e6 / Math.Max(cpu.Elapsed.TotalSeconds, 1),
            load.Errors + read.Errors + (isLost ? 1 : 0),
            load.FirstError ?? read.FirstError ?? (isLost ? "fewer events were read than acknowledged" : null));
    }

    private ChildProcess StartReaders(ParseResult parsed, RunningPeer hub, PeerSetting setting, int readers, int partitions) =>
        ChildProcess.StartOwn(
            AmqpReadCommand.Name, "--port", Text(hub.Hub!.Ports.Amqp), "--server-pid", Text(hub.ProcessId), "--credentials", HubLogins.WriteReader(hub, setting.Directory),
            "--readers", Text(readers), "--partitions", Text(partitions), "--credit", Text(parsed.GetValue(_credit)), "--to-end");

    private string[] LoadArguments(ParseResult parsed) =>
    [
        "--connections", Text(parsed.GetValue(_connections)), "--window", Text(parsed.GetValue(_window)), "--payload", Text(parsed.GetValue(_payload)),
    ];

    private Dictionary<string, string> Settings(ParseResult parsed) => new()
    {
        ["transport"] = "plain TCP in and out, events settled by the hub",
        ["events"] = Text(parsed.GetValue(_events)),
        ["devices"] = Text(parsed.GetValue(_connections)),
        ["window"] = Text(parsed.GetValue(_window)),
        ["payload bytes"] = Text(parsed.GetValue(_payload)),
        ["credit"] = Text(parsed.GetValue(_credit)),
        ["tail s"] = Text(parsed.GetValue(_seconds)),
        ["tail rate"] = parsed.GetValue(_rate) is { } rate ? Text(rate) : "flat out",
        ["rounds"] = Text(parsed.GetValue(_rounds)),
    };

    private static string Text(IFormattable number) => number.ToString(null, CultureInfo.InvariantCulture);

    private static Option<int> Number(string name, string description, int value) =>
        new(name) { Description = description, DefaultValueFactory = _ => value };

    private sealed record FilledLog(string Directory, int Partitions, IReadOnlyList<long> Ends)
    {
        public string Configuration => $"Events:\n  Partitions: {Partitions}\n";
    }
}
