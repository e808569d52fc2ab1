using System.CommandLine;
using System.Globalization;
using Nave.Bench.Linux;
using Nave.Bench.Load;
using Spectre.Console;

namespace Nave.Bench.Scenarios;

/// <summary><c>methods</c>: direct methods over HTTPS to devices on MQTT that answer at once, beside a bare HTTPS request to the same hub.</summary>
internal sealed class MethodsCommand
{
    private const double LargestShareOfOthers = 0.25;

    private readonly Option<int> _rounds = Number("--rounds", "rounds, each with a fresh hub", 3);
    private readonly Option<int> _devices = Number("--devices", "devices that answer", 100);
    private readonly Option<string> _callers = new("--callers")
    {
        Description = "calls under way at a time, one case each",
        DefaultValueFactory = _ => "1,16",
    };

    private readonly Option<double> _duration = new("--duration") { Description = "seconds measured of each case", DefaultValueFactory = _ => 5 };

    public static Command Create()
    {
        var options = new MethodsCommand();
        var command = new Command("methods", "direct methods: the round trip from back end to device and back")
        {
            options._rounds, options._devices, options._callers, options._duration,
        };
        var frame = new ScenarioFrame(command);
        command.SetAction((parsed, stopping) => frame.RunAsync(
            parsed, space => options.MeasureAsync(parsed, space, stopping), BenchJson.Indented.MethodsReport, Show));
        return command;
    }

    private async Task<MethodsReport> MeasureAsync(ParseResult parsed, ScenarioSpace space, CancellationToken stopping)
    {
        var (directory, naveProgram, progress) = space;
        var time = TimeProvider.System;
        var startedAt = time.GetUtcNow();
        var machine = MachineReport.Read();
        var callers = parsed.GetValue(_callers)!.Split(',').Select(ReadCallers).ToArray();
        var peer = new NavePeer(naveProgram);
        var setting = new PeerSetting(directory, parsed.GetValue(_devices), Tls: false, MayInstall: false, time);
        var version = await peer.PrepareAsync(setting, stopping);
        var figures = new Dictionary<(string What, int Callers), List<MethodFigures>>();
        var others = new List<double>();
        for (var round = 1; round <= parsed.GetValue(_rounds); round++)
        {
            progress.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"[grey]round {round}[/]");
            others.Add(await RunHubAsync(peer, setting, callers, TimeSpan.FromSeconds(parsed.GetValue(_duration)), figures, stopping));
        }

        var settings = new Dictionary<string, string>
        {
            ["devices"] = Text(setting.Devices),
            ["rounds"] = Text(parsed.GetValue(_rounds)),
            ["seconds"] = Text(parsed.GetValue(_duration)),
            ["back end"] = "HTTPS, kept connections",
            ["device"] = "MQTT, plain TCP",
        };
        return new MethodsReport(
            startedAt, [.. Voids(machine, others)], machine, version, settings,
            [.. figures.Select(one => MethodsRow.Of(one.Key.What, one.Key.Callers, one.Value))]);
    }

    /// <returns>Cores that neither hub nor bench used meanwhile.</returns>
    private static async Task<double> RunHubAsync(
        NavePeer peer, PeerSetting setting, int[] callers, TimeSpan duration,
        Dictionary<(string What, int Callers), List<MethodFigures>> figures, CancellationToken stopping)
    {
        await using var hub = await peer.StartAsync(setting, stopping);
        var devices = new List<MethodDevice>();
        try
        {
            var credentials = DeviceCredential.ReadAll(hub.LoadArguments[1]); // Behind "--credentials".
            foreach (var credential in credentials)
            {
                devices.Add(await MethodDevice.ConnectAsync(hub.Port, credential, stopping));
            }

            using var backEnd = new MethodBackEnd(hub.Hub!, setting.Time); // A hub has said how to reach it.
            var begun = setting.Time.GetTimestamp();
            var before = Usage(hub.ProcessId);
            foreach (var count in callers)
            {
                var next = -1;
                Keep("a bare HTTPS request", count, await backEnd.MeasureAsync(count, duration, _ => MethodBackEnd.Nothing(), stopping));
                Keep("a direct method", count, await backEnd.MeasureAsync(
                    count, duration, _ => MethodBackEnd.Call(credentials[Interlocked.Increment(ref next) % credentials.Count].Id), stopping));
            }

            var after = Usage(hub.ProcessId);
            return (after - before).TotalSeconds / setting.Time.GetElapsedTime(begun).TotalSeconds;
        }
        finally
        {
            foreach (var device in devices)
            {
                await device.DisposeAsync();
            }
        }

        void Keep(string what, int count, MethodFigures measured)
        {
            if (!figures.TryGetValue((what, count), out var rounds))
            {
                figures[(what, count)] = rounds = [];
            }

            rounds.Add(measured);
        }
    }

    private static TimeSpan Usage(int hubProcessId) =>
        MachineSample.Read().Busy
        - (ProcessSample.Read(hubProcessId)?.Cpu ?? default)
        - (ProcessSample.Read(Environment.ProcessId)?.Cpu ?? default);

    private static IEnumerable<string> Voids(MachineReport machine, IReadOnlyList<double> others)
    {
        if (Spread.Of(others).Median is var median && median > LargestShareOfOthers * machine.Cores)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"other work took {median:0.0} of the {machine.Cores} cores.");
        }
    }

    private static void Show(IAnsiConsole console, MethodsReport report)
    {
        var table = new Table().Border(TableBorder.Simple).AddColumns("what", "at a time", "a second", "p50 ms (min..max)", "p99 ms (min..max)");
        foreach (var row in report.Rows.OrderBy(row => row.Callers))
        {
            table.AddRow(row.What, Text(row.Callers), row.PerSecond.Median.ToString("N0", CultureInfo.InvariantCulture), Range(row.P50Ms), Range(row.P99Ms));
        }

        console.Write(table);
        console.MarkupLineInterpolated(CultureInfo.InvariantCulture, $"{string.Join(", ", report.Settings.Select(one => $"{one.Key} {one.Value}"))}");
    }

    private static string Range(Spread spread) =>
        string.Create(CultureInfo.InvariantCulture, $"{spread.Median:0.00} ({spread.Min:0.00}..{spread.Max:0.00})");

    private static int ReadCallers(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var callers) && callers is > 0 and <= 1000
            ? callers
            : throw new FormatException($"callers are 1 to 1000, not \"{text}\"");

    private static string Text(IFormattable number) => number.ToString(null, CultureInfo.InvariantCulture);

    private static Option<int> Number(string name, string description, int value) =>
        new(name) { Description = description, DefaultValueFactory = _ => value };
}
