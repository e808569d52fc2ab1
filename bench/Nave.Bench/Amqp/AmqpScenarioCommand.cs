using System.CommandLine;
using System.Globalization;
using Amqp;
using Nave.Bench.Figures;
using Nave.Bench.Reading;
using Nave.Bench.Scenarios;
using Nave.Bench.Servers;

namespace Nave.Bench.Amqp;

/// <summary><c>amqp</c>: what AMQP costs, as sender and as reader: the hub beside AMQPNetLite's own listener, and MQTT beside both.</summary>
internal sealed class AmqpScenarioCommand
{
    public const string Send = "devices send, unsettled", Read = "events read, settled";
    public const string NaveName = "nave", MqttName = "nave over MQTT";
    private const int Partitions = 4; // As the hub ships.

    private readonly Option<int> _rounds = Number("--rounds", "interleaved rounds, a fresh process each", 5);
    private readonly Option<int> _connections = Number("--connections", "devices that send, a connection each", 20);
    private readonly Option<int> _window = Number("--window", "messages of a device without an outcome", 50);
    private readonly Option<int> _payload = Number("--payload", "bytes of a message", 256);
    private readonly Option<int> _readers = Number("--readers", "readers, a connection each", Partitions);
    private readonly Option<int> _credit = Number("--credit", "credit of a reader", 1000);
    private readonly Option<int> _events = Number("--events", "events that the hub's readers find", 9_000_000);
    private readonly Option<double> _warmUp = Seconds("--warm-up", "seconds before measuring", 3);
    private readonly Option<double> _duration = Seconds("--duration", "seconds measured", 3);

    public static Command Create()
    {
        var options = new AmqpScenarioCommand();
        var command = new Command("amqp", "AMQP senders and readers: the hub beside AMQPNetLite's own listener, in one run")
        {
            options._rounds, options._connections, options._window, options._payload, options._readers, options._credit, options._events,
            options._warmUp, options._duration,
        };
        var frame = new ScenarioFrame(command);
        command.SetAction((parsed, stopping) => frame.RunAsync(
            parsed, space => options.MeasureAsync(parsed, space, stopping), BenchJson.Indented.FiguresReport, FiguresView.Write));
        return command;
    }

    /// <summary>Row 13.</summary>
    public static IEnumerable<Demand> Judge(IReadOnlyList<FiguresRow> rows)
    {
        if (rows.Find(NaveName, Send, AmqpFigures.Rate) is { } sent)
        {
            yield return new Demand(
                13, "AMQP device send",
                Bar.AtLeast(sent, 1.2, AmqpNetLiteCommand.Name, rows.Find(AmqpNetLiteCommand.Name, Send, AmqpFigures.Rate)),
                Bar.AtMost(rows.Find(NaveName, Send, AmqpFigures.Cpu), 2, "MQTT's CPU", rows.Find(MqttName, Send, AmqpFigures.Cpu)));
        }

        if (rows.Find(NaveName, Read, AmqpFigures.Rate) is { } read)
        {
            yield return new Demand(
                13, "events read, sender-settled",
                Bar.AtLeast(read, 2, AmqpNetLiteCommand.Name, rows.Find(AmqpNetLiteCommand.Name, Read, AmqpFigures.Rate)),
                Bar.AtMost(rows.Find(NaveName, Read, AmqpFigures.Cpu), 2, "MQTT's CPU", rows.Find(MqttName, Send, AmqpFigures.Cpu)));
        }
    }

    private async Task<FiguresReport> MeasureAsync(ParseResult parsed, ScenarioSpace space, CancellationToken stopping)
    {
        var time = TimeProvider.System;
        var startedAt = time.GetUtcNow();
        var (machine, disk) = (MachineReport.Read(), DiskReport.Measure(space.Directory));
        var nave = new NavePeer(space.NaveProgram);
        var setting = new PeerSetting(space.Directory, parsed.GetValue(_connections), Tls: false, MayInstall: false, time);
        var versions = new Dictionary<string, string>
        {
            [NaveName] = await nave.PrepareAsync(setting, stopping),
            [AmqpNetLiteCommand.Name] = typeof(Connection).Assembly.GetName().Version?.ToString(3) ?? "unknown",
        };
        var runs = await new InterleavedFigures(
            [(Send, NaveName), (Send, AmqpNetLiteCommand.Name), (Send, MqttName), (Read, NaveName), (Read, AmqpNetLiteCommand.Name)],
            parsed.GetValue(_rounds),
            (@case, subject) => RunAsync(parsed, nave, setting, @case, subject, stopping),
            space.Progress,
            time).RunAsync();
        var rows = FiguresRow.Of(runs);
        return new FiguresReport(
            "amqp", startedAt, [.. FiguresVoids.Of(machine, disk, rows, null, AmqpFigures.Rate)], machine, disk, versions, Settings(parsed),
            [.. parsed.GetValue(_payload) is 256 ? Judge(rows) : []], rows, runs);
    }

    private async Task<RunFigures> RunAsync(
        ParseResult parsed, NavePeer nave, PeerSetting setting, string @case, string subject, CancellationToken stopping)
    {
        if (subject is AmqpNetLiteCommand.Name)
        {
            await using var peer = await StartedServer.StartAsync(
                AmqpNetLiteCommand.Name,
                port => Task.FromResult(ChildProcess.StartOwnServer(AmqpNetLiteCommand.Name, "--port", Text(port), "--payload", Text(parsed.GetValue(_payload)))),
                [],
                setting.Time,
                stopping);
            return @case is Send
                ? await OwnRole.MeasureAsync(SendArguments(parsed, peer.Port, peer, null), stopping)
                : await ReadAsync(ReadArguments(parsed, peer.Port, peer, null), null, stopping);
        }

        await using var hub = await nave.StartAsync(setting, stopping);
        if (subject is MqttName)
        {
            return await RunMqttAsync(parsed, hub, stopping);
        }

        var port = hub.Hub!.Ports.Amqp;
        if (@case is Send)
        {
            return await OwnRole.MeasureAsync(SendArguments(parsed, port, hub, HubLogins.WriteDevices(hub, setting.Directory)), stopping);
        }

        var ends = await HubFill.RunAsync(hub, parsed.GetValue(_events), Partitions, LoadArguments(parsed), stopping);
        return await ReadAsync(ReadArguments(parsed, port, hub, HubLogins.WriteReader(hub, setting.Directory)), PartitionEnds.Line(ends), stopping);
    }

    private static async Task<RunFigures> ReadAsync(IEnumerable<string> arguments, string? ends, CancellationToken stopping)
    {
        await using var reader = ChildProcess.StartOwn(arguments);
        await ReadingProcess.WaitReadyAsync(reader, stopping);
        if (ends is not null)
        {
            await ReadingProcess.TellAsync(reader, ends, stopping);
        }

        return await OwnRole.ReadAsync(reader, stopping);
    }

    private async Task<RunFigures> RunMqttAsync(ParseResult parsed, RunningPeer hub, CancellationToken stopping)
    {
        var load = await LoadRole.RunAsync(
            hub, [.. LoadArguments(parsed), "--warm-up", Text(parsed.GetValue(_warmUp)), "--duration", Text(parsed.GetValue(_duration))], stopping);
        return new RunFigures(
            new Dictionary<string, double>
            {
                [AmqpFigures.Rate] = load.AcknowledgedPerSecond,
                [AmqpFigures.Cpu] = load.Server?.CpuSecondsPerMillion ?? 0,
                [AmqpFigures.ClientCpu] = load.GeneratorCpuSecondsPerMillion,
                [AmqpFigures.P50] = load.Acknowledgement.P50Ms,
                [AmqpFigures.P99] = load.Acknowledgement.P99Ms,
            },
            load.OtherCores,
            load.Errors,
            load.FirstError);
    }

    private string[] LoadArguments(ParseResult parsed) =>
    [
        "--connections", Text(parsed.GetValue(_connections)), "--window", Text(parsed.GetValue(_window)), "--payload", Text(parsed.GetValue(_payload)),
    ];

    private IEnumerable<string> SendArguments(ParseResult parsed, int port, RunningPeer server, string? credentials) =>
    [
        AmqpSendCommand.Name, .. CommonArguments(parsed, port, server, credentials), .. LoadArguments(parsed),
    ];

    private IEnumerable<string> ReadArguments(ParseResult parsed, int port, RunningPeer server, string? credentials) =>
    [
        AmqpReadCommand.Name, .. CommonArguments(parsed, port, server, credentials),
        "--readers", Text(parsed.GetValue(_readers)), "--partitions", Text(Partitions), "--credit", Text(parsed.GetValue(_credit)),
    ];

    private IEnumerable<string> CommonArguments(ParseResult parsed, int port, RunningPeer server, string? credentials) =>
    [
        "--port", Text(port), "--server-pid", Text(server.ProcessId),
        "--warm-up", Text(parsed.GetValue(_warmUp)), "--duration", Text(parsed.GetValue(_duration)),
        .. credentials is null ? (string[])[] : ["--credentials", credentials],
    ];

    private Dictionary<string, string> Settings(ParseResult parsed) => new()
    {
        ["transport"] = "plain TCP",
        ["devices"] = Text(parsed.GetValue(_connections)),
        ["window"] = Text(parsed.GetValue(_window)),
        ["payload bytes"] = Text(parsed.GetValue(_payload)),
        ["readers"] = Text(parsed.GetValue(_readers)),
        ["reader's credit"] = Text(parsed.GetValue(_credit)),
        ["rounds"] = Text(parsed.GetValue(_rounds)),
        ["measured s"] = Text(parsed.GetValue(_duration)),
    };

    private static string Text(IFormattable number) => number.ToString(null, CultureInfo.InvariantCulture);

    private static Option<int> Number(string name, string description, int value) =>
        new(name) { Description = description, DefaultValueFactory = _ => value };

    private static Option<double> Seconds(string name, string description, double value) =>
        new(name) { Description = description, DefaultValueFactory = _ => value };
}
