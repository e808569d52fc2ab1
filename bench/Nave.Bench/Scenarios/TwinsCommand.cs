using System.CommandLine;
using System.Globalization;
using Nave.Bench.Load;
using Spectre.Console;

namespace Nave.Bench.Scenarios;

/// <summary><c>twins</c>: reported patches over MQTT, durable before their PUBACK, beside raw SQLite upserts on the same disk.</summary>
internal sealed class TwinsCommand
{
    private const double LargestShareOfOthers = 0.25;
    private const string Topic = "$iothub/twin/PATCH/properties/reported/?$rid=1";

    private readonly Option<int> _rounds = Number("--rounds", "rounds, each with a fresh hub", 3);
    private readonly Option<int> _connections = Number("--connections", "devices that patch", 1000);
    private readonly Option<int> _window = Number("--window", "patches of one device that wait for their PUBACK", 1);
    private readonly Option<int> _bytes = Number("--bytes", "JSON of a twin's reported properties, about", 900);
    private readonly Option<int> _twins = Number("--twins", "further twins in the hub: 100000 for the figures of docs/performance.md", 0);
    private readonly Option<double> _warmUp = Seconds("--warm-up", "seconds before measuring", 3);
    private readonly Option<double> _duration = Seconds("--duration", "seconds measured", 5);

    public static Command Create()
    {
        var options = new TwinsCommand();
        var command = new Command("twins", "reported patches a second, durable, beside raw SQLite upserts in batches of 100")
        {
            options._rounds, options._connections, options._window, options._bytes, options._twins, options._warmUp, options._duration,
        };
        var frame = new ScenarioFrame(command);
        command.SetAction((parsed, stopping) => frame.RunAsync(
            parsed, space => options.MeasureAsync(parsed, space, stopping), BenchJson.Indented.TwinsReport, Show));
        return command;
    }

    /// <summary>Reported properties of about that length: what a device of some sensors has.</summary>
    public static string Reported(int bytes)
    {
        var members = new List<string>();
        for (var length = 2; length < bytes; length += members[^1].Length + 1)
        {
            members.Add(string.Create(CultureInfo.InvariantCulture, $"\"sensor{members.Count}\":\"21.5 degrees celsius, within its limits\""));
        }

        return "{" + string.Join(',', members) + "}";
    }

    // Three values of those: what changes at a time.
    private const string Patch = """{"sensor1":"22.5 degrees celsius, within its limits","sensor3":"19.0 degrees celsius, low","uptime":86400}""";

    private async Task<TwinsReport> MeasureAsync(ParseResult parsed, ScenarioSpace space, CancellationToken stopping)
    {
        var (directory, naveProgram, progress) = space;
        var time = TimeProvider.System;
        var startedAt = time.GetUtcNow();
        var reported = Reported(parsed.GetValue(_bytes));
        await File.WriteAllTextAsync(Path.Combine(directory, "reported.json"), reported, stopping);
        await File.WriteAllTextAsync(Path.Combine(directory, "patch.json"), Patch, stopping);
        var (connections, others) = (parsed.GetValue(_connections), parsed.GetValue(_twins));
        var peer = new NavePeer(naveProgram);
        var setting = new PeerSetting(directory, connections, Tls: false, MayInstall: false, time);
        var (machine, disk) = (MachineReport.Read(), DiskReport.Measure(directory));
        var version = await peer.PrepareAsync(setting, stopping);

        using var sqlite = new SqliteUpserts(directory, connections + others, reported);
        var rounds = new List<TwinsRound>();
        for (var round = 1; round <= parsed.GetValue(_rounds); round++)
        {
            var duration = TimeSpan.FromSeconds(parsed.GetValue(_duration));
            var upserts = sqlite.Measure(connections, duration, time);
            var overAll = others == 0 ? upserts : sqlite.Measure(connections + others, duration, time);
            var load = await RunHubAsync(parsed, peer, setting, others, stopping);
            rounds.Add(new TwinsRound(
                round, Math.Round(upserts), Math.Round(overAll), load.AcknowledgedPerSecond, load.Acknowledgement.P50Ms, load.Acknowledgement.P99Ms,
                load.Server?.CpuSecondsPerMillion ?? 0, load.OtherCores, load.Errors, load.FirstError));
            progress.MarkupLineInterpolated(CultureInfo.InvariantCulture,
                $"[grey]round {round}: nave {load.AcknowledgedPerSecond:N0}/s, SQLite {upserts:N0}/s, {load.AcknowledgedPerSecond / upserts:0.00} x, p99 {load.Acknowledgement.P99Ms:0.0} ms[/]");
        }

        return TwinsReport.Of(startedAt, [.. Voids(machine, disk, rounds)], machine, disk, version, Settings(parsed, reported), rounds);
    }

    private async Task<LoadReport> RunHubAsync(
        ParseResult parsed, NavePeer peer, PeerSetting setting, int others, CancellationToken stopping)
    {
        await using var hub = await peer.StartAsync(setting, stopping);
        if (others > 0)
        {
            await TwinFill.RunAsync(hub.Hub!, others, Reported(parsed.GetValue(_bytes)), setting.Time, stopping); // A hub has said how to reach it.
        }

        // The twins get their size, then the patches begin.
        await LoadAsync(parsed, hub, Path.Combine(setting.Directory, "reported.json"), Text(0.5), Text(0.5), stopping);
        return await LoadAsync(
            parsed, hub, Path.Combine(setting.Directory, "patch.json"), Text(parsed.GetValue(_warmUp)), Text(parsed.GetValue(_duration)), stopping);
    }

    private Task<LoadReport> LoadAsync(
        ParseResult parsed, RunningPeer hub, string payload, string warmUp, string duration, CancellationToken stopping) =>
        Generator.RunAsync(
            hub,
            NavePeer.PeerName,
            [
                "--topic", Topic, "--payload-file", payload,
                "--connections", Text(parsed.GetValue(_connections)), "--window", Text(parsed.GetValue(_window)),
                "--warm-up", warmUp, "--duration", duration,
            ],
            stopping);

    private static void Show(IAnsiConsole console, TwinsReport report)
    {
        var table = new Table().Border(TableBorder.Simple).AddColumns("what", "a second", "min..max", "p50/p99 ms", "CPU-s/M");
        table.AddRow(
            "reported patches, durable", Number(report.NavePerSecond.Median), Range(report.NavePerSecond),
            string.Create(CultureInfo.InvariantCulture, $"{report.P50Ms.Median:0.0}/{report.P99Ms.Median:0.0}"),
            string.Create(CultureInfo.InvariantCulture, $"{report.ServerCpuSecondsPerMillion.Median:0.0}"));
        table.AddRow("SQLite upserts, 100 a commit, same rows", Number(report.SqlitePerSecond.Median), Range(report.SqlitePerSecond), "", "");
        table.AddRow("the same among all rows", Number(report.SqliteOverAllPerSecond.Median), Range(report.SqliteOverAllPerSecond), "", "");
        console.Write(table);
        console.MarkupLineInterpolated(
            CultureInfo.InvariantCulture, $"{report.Ratio:0.00} x raw SQLite of the same rows, {report.RatioOverAll:0.00} x among all (target {TwinsReport.Target:0.0}); {string.Join(", ", report.Settings.Select(one => $"{one.Key} {one.Value}"))}");
    }

    private Dictionary<string, string> Settings(ParseResult parsed, string reported) => new()
    {
        ["devices"] = Text(parsed.GetValue(_connections)),
        ["window"] = Text(parsed.GetValue(_window)),
        ["reported bytes"] = Text(reported.Length),
        ["patch bytes"] = Text(Patch.Length),
        ["other twins"] = Text(parsed.GetValue(_twins)),
        ["rounds"] = Text(parsed.GetValue(_rounds)),
    };

    private static IEnumerable<string> Voids(MachineReport machine, DiskReport disk, IReadOnlyList<TwinsRound> rounds)
    {
        if (disk.Problem is { } problem)
        {
            yield return problem;
        }

        if (rounds.FirstOrDefault(round => round.Errors > 0) is { } failed)
        {
            yield return $"round {failed.Round} had {failed.Errors} errors, the first: {failed.FirstError ?? "no reason"}";
        }

        if (Spread.Of(rounds.Select(round => round.OtherCores)).Median is var others && others > LargestShareOfOthers * machine.Cores)
        {
            yield return string.Create(CultureInfo.InvariantCulture, $"other work took {others:0.0} of the {machine.Cores} cores.");
        }
    }

    private static string Number(double value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string Range(Spread spread) => $"{Number(spread.Min)}..{Number(spread.Max)}";

    private static string Text(IFormattable number) => number.ToString(null, CultureInfo.InvariantCulture);

    private static Option<int> Number(string name, string description, int value) =>
        new(name) { Description = description, DefaultValueFactory = _ => value };

    private static Option<double> Seconds(string name, string description, double value) =>
        new(name) { Description = description, DefaultValueFactory = _ => value };
}
