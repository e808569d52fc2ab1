using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Spectre.Console;

namespace Nave.Bench.Scenarios;

/// <summary><c>ingest</c>: QoS 1 telemetry as fast as acknowledgements come, Nave beside mosquitto and the floor.</summary>
internal sealed class IngestCommand
{
    private const double LargestFloorSpread = 2;
    private const double LargestShareOfOthers = 0.25;
    private const int WidthOfProgress = 140; // A terminal may break a line; the console must not.

    private readonly Option<string> _peers = new("--peers")
    {
        Description = "servers to measure, in this order",
        DefaultValueFactory = _ => PeerList.Default,
    };

    private readonly Option<string> _windows = new("--windows")
    {
        Description = "unacknowledged publishes a connection, one case each",
        DefaultValueFactory = _ => "1,10,100",
    };

    private readonly Option<int> _rounds = Number("--rounds", "interleaved rounds, a fresh process each", 3);
    private readonly Option<int> _connections = Number("--connections", "connections", 100);
    private readonly Option<int> _payload = Number("--payload", "payload bytes", 256);
    private readonly Option<double> _warmUp = Seconds("--warm-up", "seconds before measuring", 2);
    private readonly Option<double> _duration = Seconds("--duration", "seconds measured", 3);
    private readonly Option<bool> _tls = new("--tls") { Description = "TLS (the floor stays plain)" };
    private readonly Option<string?> _data = new("--data")
    {
        Description = "directory on the disk to measure; a temporary directory in it is used and removed",
    };

    private readonly Option<string?> _nave = new("--nave") { Description = "nave's program; left out: the one built beside" };
    private readonly Option<bool> _install = new("--install") { Description = "install missing peers with apt-get" };
    private readonly Option<bool> _json = new("--json") { Description = "the result as JSON on standard output" };

    public static Command Create()
    {
        var options = new IngestCommand();
        var command = new Command("ingest", "QoS 1 ingest: Nave beside mosquitto and the bare loop, in one run")
        {
            options._peers, options._windows, options._rounds, options._connections, options._payload, options._warmUp,
            options._duration, options._tls, options._data, options._nave, options._install, options._json,
        };
        command.SetAction(options.RunAsync);
        return command;
    }

    private async Task<int> RunAsync(ParseResult parsed, CancellationToken stopping)
    {
        var progress = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
        progress.Profile.Width = Math.Max(progress.Profile.Width, WidthOfProgress);
        var directory = Directory.CreateDirectory(Path.Combine(
            Path.GetFullPath(parsed.GetValue(_data) ?? Path.GetTempPath()),
            $"nave-bench-{Environment.ProcessId}"));
        try
        {
            var report = await MeasureAsync(parsed, directory.FullName, progress, stopping);
            if (parsed.GetValue(_json))
            {
                Console.WriteLine(JsonSerializer.Serialize(report, BenchJson.Indented.ScenarioReport));
            }
            else
            {
                ScenarioView.Write(AnsiConsole.Console, report);
            }

            return report.Void.Count is 0 ? 0 : 1;
        }
        catch (FormatException e)
        {
            progress.MarkupLineInterpolated($"[red]{e.Message}[/]");
            return 2;
        }
        catch (PeerUnavailableException e)
        {
            progress.MarkupLineInterpolated($"[red]{e.Message}[/]");
            return 1;
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private async Task<ScenarioReport> MeasureAsync(
        ParseResult parsed, string directory, IAnsiConsole progress, CancellationToken stopping)
    {
        var startedAt = TimeProvider.System.GetUtcNow();
        var peers = PeerList.Parse(parsed.GetValue(_peers)!, parsed.GetValue(_nave));
        var cases = parsed.GetValue(_windows)!.Split(',').Select(window => Case(parsed, Window(window))).ToArray();
        var setting = new PeerSetting(
            directory, parsed.GetValue(_connections), parsed.GetValue(_tls), parsed.GetValue(_install), TimeProvider.System);

        var disk = DiskReport.Measure(directory);
        if (disk.Problem is { } problem)
        {
            progress.MarkupLineInterpolated($"[yellow]This run will be void: {problem}[/]");
        }

        var versions = new Dictionary<string, string>();
        foreach (var peer in peers)
        {
            versions[peer.Name] = await peer.PrepareAsync(setting, stopping);
        }

        var machine = MachineReport.Read();
        var runs = await new InterleavedRuns(peers, cases, parsed.GetValue(_rounds), setting, progress).RunAsync(stopping);
        var rows = ScenarioRow.Of(runs);
        return new ScenarioReport(
            "ingest", startedAt, [.. Voids(machine, disk, rows)], machine, disk, versions, Settings(parsed), rows, runs);
    }

    private ScenarioCase Case(ParseResult parsed, int window) => new(
        $"window {window}",
        [
            "--connections", Text(parsed.GetValue(_connections)),
            "--payload", Text(parsed.GetValue(_payload)),
            "--window", Text(window),
            "--warm-up", Text(parsed.GetValue(_warmUp)),
            "--duration", Text(parsed.GetValue(_duration)),
        ]);

    private Dictionary<string, string> Settings(ParseResult parsed) => new()
    {
        ["QoS"] = "1",
        ["connections"] = Text(parsed.GetValue(_connections)),
        ["payload bytes"] = Text(parsed.GetValue(_payload)),
        ["rounds"] = Text(parsed.GetValue(_rounds)),
        ["warm-up s"] = Text(parsed.GetValue(_warmUp)),
        ["measured s"] = Text(parsed.GetValue(_duration)),
        ["transport"] = parsed.GetValue(_tls) ? "TLS, floor plain" : "plain TCP",
    };

    private static IEnumerable<string> Voids(MachineReport machine, DiskReport disk, IReadOnlyList<ScenarioRow> rows)
    {
        if (disk.Problem is { } problem)
        {
            yield return problem;
        }

        foreach (var row in rows.Where(row => row.Errors > 0))
        {
            yield return $"{row.Peer} at {row.Case} had {row.Errors} errors, the first: {row.FirstError ?? "no reason"}";
        }

        if (rows.Max(row => row.OtherCores.Median) is var others && others > LargestShareOfOthers * machine.Cores)
        {
            yield return $"other work took {others:0.0} of the {machine.Cores} cores: rates and latencies are not the servers' own.";
        }

        foreach (var floor in rows.Where(row => row.Peer is FloorPeer.PeerName))
        {
            var (_, min, max) = floor.AcknowledgedPerSecond;
            if (max > LargestFloorSpread * min)
            {
                yield return $"the floor's rate at {floor.Case} went from {min:N0} to {max:N0}: the machine was busy with other work.";
            }
        }
    }

    private static int Window(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var window) && window is > 0 and <= ushort.MaxValue
            ? window
            : throw new FormatException($"a window is 1 to 65535, not \"{text}\"");

    private static string Text(IFormattable number) => number.ToString(null, CultureInfo.InvariantCulture);

    private static Option<int> Number(string name, string description, int value) =>
        new(name) { Description = description, DefaultValueFactory = _ => value };

    private static Option<double> Seconds(string name, string description, double value) =>
        new(name) { Description = description, DefaultValueFactory = _ => value };
}
