using System.CommandLine;
using System.Globalization;
using Nave.Bench.Linux;
using Spectre.Console;

namespace Nave.Bench.Scenarios;

/// <summary>What a comparison under load runs: every peer under every case.</summary>
/// <param name="Scenario">What it is called.</param>
/// <param name="Connections">How many connections must be able to authenticate.</param>
/// <param name="Settings">What the reader should know of the generator's settings.</param>
/// <param name="Judge">The demands that its rows can be held against.</param>
internal sealed record ComparisonPlan(
    string Scenario,
    IReadOnlyList<ScenarioCase> Cases,
    int Connections,
    bool Tls,
    IReadOnlyDictionary<string, string> Settings,
    Func<IReadOnlyList<ScenarioRow>, DiskReport, IEnumerable<Demand>> Judge);

/// <summary>The options that comparisons under load share, and their run from disk probe to report.</summary>
internal sealed class Comparison
{
    private const double LargestFloorSpread = 2;
    private const double LargestShareOfOthers = 0.25;

    private readonly ScenarioFrame _frame;
    private readonly Option<string> _peers;
    private readonly Option<int> _rounds = new("--rounds") { Description = "interleaved rounds, a fresh process each", DefaultValueFactory = _ => 5 };
    private readonly Option<double> _warmUp;
    private readonly Option<double> _duration;
    private readonly Option<bool> _install = new("--install") { Description = "install missing peers with apt-get and npm" };

    /// <param name="command">Gets the options.</param>
    /// <param name="peers">Measured where --peers is left out.</param>
    /// <param name="warmUp">Seconds.</param>
    /// <param name="duration">Seconds.</param>
    public Comparison(Command command, string peers, double warmUp, double duration)
    {
        _peers = new Option<string>("--peers")
        {
            Description = $"servers to measure, in this order, of {PeerList.All}",
            DefaultValueFactory = _ => peers,
        };
        _warmUp = new Option<double>("--warm-up") { Description = "seconds before measuring", DefaultValueFactory = _ => warmUp };
        _duration = new Option<double>("--duration") { Description = "seconds measured", DefaultValueFactory = _ => duration };
        command.Options.Add(_peers);
        command.Options.Add(_rounds);
        command.Options.Add(_warmUp);
        command.Options.Add(_duration);
        command.Options.Add(_install);
        _frame = new ScenarioFrame(command);
    }

    public Task<int> RunAsync(ParseResult parsed, Func<ComparisonPlan> plan, CancellationToken stopping) =>
        _frame.RunAsync(
            parsed, space => MeasureAsync(parsed, plan(), space, stopping), BenchJson.Indented.ScenarioReport, ScenarioView.Write);

    private async Task<ScenarioReport> MeasureAsync(ParseResult parsed, ComparisonPlan plan, ScenarioSpace space, CancellationToken stopping)
    {
        var startedAt = TimeProvider.System.GetUtcNow();
        var peers = PeerList.Parse(parsed.GetValue(_peers)!, space.NaveProgram);
        var setting = new PeerSetting(space.Directory, plan.Connections, plan.Tls, parsed.GetValue(_install), TimeProvider.System);
        if (DiskReport.Measure(space.Directory).Problem is { } problem)
        {
            space.Progress.MarkupLineInterpolated($"[yellow]This run will be void: {problem}[/]");
        }

        FileLimit.Ensure(plan.Connections);
        var versions = await PeerList.PrepareAsync(peers, setting, stopping);
        var machine = MachineReport.Read();
        var cases = plan.Cases.Select(one => one with
        {
            LoadArguments = [.. one.LoadArguments, "--warm-up", Text(parsed.GetValue(_warmUp)), "--duration", Text(parsed.GetValue(_duration))],
        }).ToArray();
        var interleaved = new InterleavedRuns(peers, cases, parsed.GetValue(_rounds), setting, space.Progress);
        var runs = await interleaved.RunAsync(stopping);
        var disk = interleaved.Disk;
        var rows = ScenarioRow.Of(runs);
        var settings = new Dictionary<string, string>(plan.Settings)
        {
            ["rounds"] = Text(parsed.GetValue(_rounds)),
            ["warm-up s"] = Text(parsed.GetValue(_warmUp)),
            ["measured s"] = Text(parsed.GetValue(_duration)),
        };
        return new ScenarioReport(
            plan.Scenario, startedAt, [.. Voids(machine, disk, rows)], machine, disk, versions, settings, [.. plan.Judge(rows, disk)], rows, runs);
    }

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

    private static string Text(IFormattable number) => number.ToString(null, CultureInfo.InvariantCulture);
}
