using System.CommandLine;
using System.Globalization;
using Microsoft.Data.Sqlite;
using Nave.Bench.Figures;
using Nave.Bench.Scenarios;
using RocksDbSharp;

namespace Nave.Bench.LogEngines;

/// <summary><c>log</c>: the event log by itself, beside a bare file, RocksDB and SQLite on the same disk.</summary>
internal sealed class LogCommand
{
    private const int JudgedInFlight = 1000;
    private const int JudgedPayload = 256;

    private readonly Option<string> _engines = new("--engines")
    {
        Description = "logs to measure, in this order",
        DefaultValueFactory = _ => string.Join(',', LogEngineCommand.Nave, LogEngineCommand.FullNave, LogEngineCommand.File, LogEngineCommand.RocksDb, LogEngineCommand.Sqlite),
    };

    private readonly Option<int> _rounds = new("--rounds") { Description = "interleaved rounds, a fresh process each", DefaultValueFactory = _ => 5 };
    private readonly Option<string> _inFlight = new("--in-flight") { Description = "records under way, one case each", DefaultValueFactory = _ => Text(JudgedInFlight) };
    private readonly Option<int> _payload = new("--payload") { Description = "bytes of a record", DefaultValueFactory = _ => JudgedPayload };
    private readonly Option<double> _warmUp = new("--warm-up") { Description = "seconds before measuring", DefaultValueFactory = _ => 3 };
    private readonly Option<double> _duration = new("--duration") { Description = "seconds measured", DefaultValueFactory = _ => 5 };
    private int _runs;

    public static Command Create()
    {
        var options = new LogCommand();
        var command = new Command("log", "the event log alone, synced: beside a bare file, RocksDB and SQLite, in one run")
        {
            options._engines, options._rounds, options._inFlight, options._payload, options._warmUp, options._duration,
        };
        var frame = new ScenarioFrame(command);
        command.SetAction((parsed, stopping) => frame.RunAsync(
            parsed, space => options.MeasureAsync(parsed, space, stopping), BenchJson.Indented.FiguresReport, FiguresView.Write));
        return command;
    }

    /// <summary>Row 10.</summary>
    public static IEnumerable<Demand> Judge(IReadOnlyList<FiguresRow> rows)
    {
        var @case = CaseOf(JudgedInFlight);
        if (rows.Find(LogEngineCommand.Nave, @case, LogEngineCommand.Rate) is not { } nave)
        {
            yield break;
        }

        var file = rows.Find(LogEngineCommand.File, @case, LogEngineCommand.Rate);
        var rocksDb = rows.Find(LogEngineCommand.RocksDb, @case, LogEngineCommand.Rate);
        yield return new Demand(
            10, "log alone", Bar.AtLeast(nave, 0.7, "the bare file", file), Bar.AtLeast(nave, 0.9, "the bare file", file));
        yield return new Demand(10, "log alone", Bar.AtLeast(nave, 3, "RocksDB", rocksDb));
    }

    private async Task<FiguresReport> MeasureAsync(ParseResult parsed, ScenarioSpace space, CancellationToken stopping)
    {
        var startedAt = TimeProvider.System.GetUtcNow();
        var (machine, disk) = (MachineReport.Read(), DiskReport.Measure(space.Directory));
        var engines = parsed.GetValue(_engines)!.Split(',', StringSplitOptions.TrimEntries);
        var depths = parsed.GetValue(_inFlight)!.Split(',').ToDictionary(text => CaseOf(Number(text)), Number);
        var pairs = depths.Keys.SelectMany(@case => engines.Select(engine => (@case, engine))).ToArray();
        var runs = await new InterleavedFigures(
            pairs, parsed.GetValue(_rounds), (@case, engine) => RunAsync(parsed, space, engine, depths[@case], stopping), space.Progress, TimeProvider.System).RunAsync();
        var rows = FiguresRow.Of(runs);
        var settings = new Dictionary<string, string>
        {
            ["payload bytes"] = Text(parsed.GetValue(_payload)),
            ["rounds"] = Text(parsed.GetValue(_rounds)),
            ["warm-up s"] = Text(parsed.GetValue(_warmUp)),
            ["measured s"] = Text(parsed.GetValue(_duration)),
            ["CPU"] = "of log and appender together",
        };
        return new FiguresReport(
            "log", startedAt, [.. FiguresVoids.Of(machine, disk, rows, LogEngineCommand.File, LogEngineCommand.Rate)],
            machine, disk, Versions(), settings, [.. parsed.GetValue(_payload) is JudgedPayload ? Judge(rows) : []], rows, runs);
    }

    private async Task<RunFigures> RunAsync(ParseResult parsed, ScenarioSpace space, string engine, int inFlight, CancellationToken stopping)
    {
        var directory = Path.Combine(space.Directory, Text(_runs++));
        var figures = await OwnRole.MeasureAsync(
            [
                LogEngineCommand.Name, engine, "--directory", directory, "--in-flight", Text(inFlight),
                "--payload", Text(parsed.GetValue(_payload)),
                "--warm-up", Text(parsed.GetValue(_warmUp)), "--duration", Text(parsed.GetValue(_duration)),
            ],
            stopping);
        Directory.Delete(directory, recursive: true); // A run may have written gigabytes.
        return figures;
    }

    private static Dictionary<string, string> Versions()
    {
        using var memory = new SqliteConnection("Data Source=:memory:");
        memory.Open();
        return new Dictionary<string, string>
        {
            ["RocksDB"] = typeof(RocksDb).Assembly.GetName().Version?.ToString() ?? "unknown",
            ["SQLite"] = memory.ServerVersion,
        };
    }

    private static string CaseOf(int inFlight) => string.Create(CultureInfo.InvariantCulture, $"{inFlight} in flight");

    private static int Number(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is > 0 and <= 1_000_000
            ? number
            : throw new FormatException($"records under way are 1 to 1000000, not \"{text}\"");

    private static string Text(IFormattable number) => number.ToString(null, CultureInfo.InvariantCulture);
}
