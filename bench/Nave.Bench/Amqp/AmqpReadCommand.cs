using System.CommandLine;
using System.Globalization;
using Nave.Bench.Figures;
using Nave.Bench.Linux;
using Nave.Bench.Load;

namespace Nave.Bench.Amqp;

/// <summary>
/// <c>amqp-read</c>: readers that take settled events as fast as they come. Says "ready" when all links are attached; a line
/// on standard input may tell each partition's end. The figures go to standard output.
/// </summary>
internal sealed class AmqpReadCommand
{
    public const string Name = "amqp-read";

    /// <summary>The first line of output.</summary>
    public const string Ready = "ready";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    private readonly ClientOptions _client = new();
    private readonly Option<string> _address = new("--address") { Description = "source address; {n} is the partition", DefaultValueFactory = _ => "nave/ConsumerGroups/$Default/Partitions/{n}" };
    private readonly Option<int> _readers = new("--readers") { Description = "readers, a connection each", DefaultValueFactory = _ => 1 };
    private readonly Option<int> _partitions = new("--partitions") { Description = "partitions, which readers take in turn", DefaultValueFactory = _ => 4 };
    private readonly Option<int> _credit = new("--credit") { Description = "credit of a link", DefaultValueFactory = _ => 1000 };
    private readonly Option<bool> _toEnd = new("--to-end") { Description = "no duration: until the ends that standard input tells" };

    private volatile string? _ends;

    public static Command Create()
    {
        var options = new AmqpReadCommand();
        var command = new Command(Name, "reads the events endpoint, settled: a role of the read and amqp scenarios")
        {
            options._address, options._readers, options._partitions, options._credit, options._toEnd,
        };
        return options._client.Complete(command, options.Measure);
    }

    private RunFigures Measure(ParseResult parsed, TimeProvider time)
    {
        var credentials = _client.Credentials(parsed);
        var partitions = parsed.GetValue(_partitions);
        var readers = new List<ReaderClient>();
        var meter = new CpuMeter(_client.ServerPid(parsed), time);
        try
        {
            for (var number = 0; number < parsed.GetValue(_readers); number++)
            {
                var address = new Template(parsed.GetValue(_address)!).Fill("", number % partitions);
                readers.Add(new ReaderClient(
                    _client.Port(parsed), ClientOptions.LoginOf(credentials(number)), address, parsed.GetValue(_credit), time));
            }

            Console.WriteLine(Ready);
            _ = Task.Run(() => _ends = Console.In.ReadLine());
            using var loop = new ClientLoop<ReaderClient>(readers);
            var run = new ReadRun(loop, readers, partitions, () => _ends, time);
            if (parsed.GetValue(_toEnd))
            {
                return run.ToEnd(meter, Patience);
            }

            run.For(_client.WarmUp(parsed));
            return run.Measure(new CpuMeter(_client.ServerPid(parsed), time), _client.Duration(parsed));
        }
        finally
        {
            readers.ForEach(reader => reader.Dispose());
        }
    }
}

/// <summary>One run of readers whose links are attached.</summary>
/// <param name="ends">Each partition's end, as numbers with commas between, as soon as it is known.</param>
internal sealed class ReadRun(ClientLoop<ReaderClient> loop, IReadOnlyList<ReaderClient> readers, int partitions, Func<string?> ends, TimeProvider time)
{
    private bool _hasEnds;
    private long _lastEvent = time.GetTimestamp();

    private long Events => readers.Sum(reader => reader.Events);

    /// <summary>Reads for that long, or until everything is read.</summary>
    public void For(TimeSpan span)
    {
        var begun = time.GetTimestamp();
        loop.Run(() => IsDone() || time.GetElapsedTime(begun) >= span, _ => { });
    }

    /// <summary>Reads for that long and says at which rate.</summary>
    public RunFigures Measure(CpuMeter meter, TimeSpan span)
    {
        var (events, bytes) = (Events, Bytes());
        For(span);
        return Figures(meter.Read(), Events - events, Bytes() - bytes, Events > events ? null : "there was nothing left to measure");
    }

    /// <summary>Reads until everything is read.</summary>
    /// <param name="patience">How long nothing may come when the ends are known.</param>
    public RunFigures ToEnd(CpuMeter meter, TimeSpan patience)
    {
        var seen = Events;
        loop.Run(
            () =>
            {
                if (Events is var now && now != seen || !_hasEnds)
                {
                    (seen, _lastEvent) = (now, time.GetTimestamp());
                }

                return IsDone() || time.GetElapsedTime(_lastEvent) > patience;
            },
            _ => { });
        return Figures(meter.Read(), Events, Bytes(), IsDone() || loop.Failure is not null ? null : $"only {Events} events came");
    }

    private long Bytes() => readers.Sum(reader => reader.Bytes);

    private bool IsDone()
    {
        if (!_hasEnds && ends() is { } line)
        {
            _hasEnds = true;
            var numbers = line.Split(',').Select(text => long.Parse(text, CultureInfo.InvariantCulture)).ToArray();
            for (var i = 0; i < readers.Count; i++)
            {
                readers[i].End = numbers[i % partitions];
            }
        }

        return _hasEnds && readers.All(reader => reader.IsDone);
    }

    private RunFigures Figures(CpuSpan cpu, long events, long bytes, string? failure)
    {
        var lags = new LatencyHistogram();
        foreach (var reader in readers)
        {
            lags.Add(reader.Lags);
        }

        failure = loop.Failure ?? failure;
        var gaps = readers.Sum(reader => reader.Gaps);
        double count = Math.Max(events, 1);
        return new RunFigures(
            new Dictionary<string, double>
            {
                [AmqpFigures.Rate] = events / cpu.Elapsed.TotalSeconds,
                [AmqpFigures.Megabytes] = bytes / cpu.Elapsed.TotalSeconds / 1e6,
                [AmqpFigures.Cpu] = cpu.ServerSeconds / count * 1e6,
                [AmqpFigures.ClientCpu] = cpu.OwnSeconds / count * 1e6,
                [AmqpFigures.LagP50] = lags.Percentile(0.5) / 1e6,
                [AmqpFigures.LagP99] = lags.Percentile(0.99) / 1e6,
                [AmqpFigures.LagMax] = lags.Max / 1e6,
                [AmqpFigures.Events] = events,
            },
            cpu.OtherCores,
            gaps + (failure is null ? 0 : 1),
            failure ?? (gaps > 0 ? "events were missing or came twice" : null));
    }
}
