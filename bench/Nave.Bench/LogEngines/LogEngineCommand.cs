using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using Nave.Bench.Figures;
using Nave.Bench.Linux;

namespace Nave.Bench.LogEngines;

/// <summary><c>log-engine</c>: one log under a closed loop in this process; its figures go to standard output.</summary>
internal sealed class LogEngineCommand
{
    public const string Name = "log-engine";

    /// <summary>Names of the figures.</summary>
    public const string Rate = "events/s", Cpu = "CPU-s/M", P50 = "p50 ms", P99 = "p99 ms", Syncs = "syncs/1,000", Written = "written B/event", Device = "to disk B/event";

    /// <summary>The logs.</summary>
    public const string Nave = "nave", FullNave = "nave full", File = "bare file", RocksDb = "rocksdb", Sqlite = "sqlite";

    private readonly Argument<string> _engine = new("engine") { Description = $"{Nave}, {FullNave}, {File}, {RocksDb} or {Sqlite}" };
    private readonly Option<string> _directory = new("--directory") { Description = "where it writes", Required = true };
    private readonly Option<int> _inFlight = new("--in-flight") { Description = "records under way", DefaultValueFactory = _ => 1000 };
    private readonly Option<int> _payload = new("--payload") { Description = "bytes of a record", DefaultValueFactory = _ => 256 };
    private readonly Option<double> _warmUp = new("--warm-up") { Description = "seconds before measuring", DefaultValueFactory = _ => 3 };
    private readonly Option<double> _duration = new("--duration") { Description = "seconds measured", DefaultValueFactory = _ => 5 };

    public static Command Create()
    {
        var options = new LogEngineCommand();
        var command = new Command(Name, "one log under a closed loop: a role of the log scenario")
        {
            options._engine, options._directory, options._inFlight, options._payload, options._warmUp, options._duration,
        };
        command.SetAction(async (parsed, stopping) =>
        {
            var figures = await options.MeasureAsync(parsed, TimeProvider.System, stopping);
            Console.WriteLine(JsonSerializer.Serialize(figures, BenchJson.Lines.RunFigures));
            return 0;
        });
        return command;
    }

    /// <summary>Opens a log of that name in the directory.</summary>
    public static async Task<ILogEngine> OpenAsync(string name, string directory, int bytes, int inFlight, CancellationToken stopping)
    {
        Directory.CreateDirectory(directory);
        return name switch
        {
            Nave => await NaveLogEngine.OpenAsync(directory, null, stopping),
            FullNave => await NaveLogEngine.OpenAsync(directory, BareFileSink.FileBytes, stopping),
            File => new BatchingEngine(new BareFileSink(directory), bytes, inFlight),
            RocksDb => new BatchingEngine(new RocksDbSink(directory), bytes, inFlight),
            Sqlite => new BatchingEngine(new SqliteSink(directory), bytes, inFlight),
            _ => throw new FormatException($"there is no log \"{name}\""),
        };
    }

    private async Task<RunFigures> MeasureAsync(ParseResult parsed, TimeProvider time, CancellationToken stopping)
    {
        var (bytes, inFlight) = (parsed.GetValue(_payload), parsed.GetValue(_inFlight));
        await using var engine = await OpenAsync(parsed.GetValue(_engine)!, parsed.GetValue(_directory)!, bytes, inFlight, stopping);
        using var loop = new AppendLoop(engine, bytes, inFlight, time);
        loop.Run(TimeSpan.FromSeconds(parsed.GetValue(_warmUp)));

        using var self = Process.GetCurrentProcess();
        var (machine, cpu, written, syncs, begun) =
            (MachineSample.Read(), self.TotalProcessorTime, ProcessWrites.ReadOwn(), engine.Syncs, time.GetTimestamp());
        var latencies = loop.Run(TimeSpan.FromSeconds(parsed.GetValue(_duration)));
        var seconds = time.GetElapsedTime(begun).TotalSeconds;
        self.Refresh();
        var used = (self.TotalProcessorTime - cpu).TotalSeconds;
        var others = ((MachineSample.Read().Busy - machine.Busy).TotalSeconds - used) / seconds;
        var wrote = ProcessWrites.ReadOwn() - written;
        var batches = engine.Syncs - syncs;
        loop.Drain();

        double count = Math.Max(latencies.Count, 1);
        return new RunFigures(
            new Dictionary<string, double>
            {
                [Rate] = latencies.Count / seconds,
                [Cpu] = used / count * 1e6,
                [P50] = latencies.Percentile(0.5) / 1e6,
                [P99] = latencies.Percentile(0.99) / 1e6,
                [Syncs] = batches / count * 1000,
                [Written] = wrote.CallBytes / count,
                [Device] = wrote.DiskBytes / count,
            },
            Math.Max(others, 0));
    }
}
