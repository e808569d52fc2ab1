using System.CommandLine;
using Nave.Bench.Figures;
using Nave.Bench.Linux;
using Nave.Bench.Load;

namespace Nave.Bench.Amqp;

/// <summary><c>amqp-send</c>: devices that send unsettled as fast as outcomes come; the figures go to standard output.</summary>
internal sealed class AmqpSendCommand
{
    public const string Name = "amqp-send";

    private readonly ClientOptions _client = new();
    private readonly Option<string> _address = new("--address") { Description = "target address; {id} is the credential's", DefaultValueFactory = _ => "/devices/{id}/messages/events" };
    private readonly Option<int> _connections = new("--connections") { Description = "devices, a connection each", DefaultValueFactory = _ => 20 };
    private readonly Option<int> _window = new("--window") { Description = "transfers of a connection without an outcome", DefaultValueFactory = _ => 50 };
    private readonly Option<int> _payload = new("--payload") { Description = "bytes of the data section", DefaultValueFactory = _ => 256 };

    public static Command Create()
    {
        var options = new AmqpSendCommand();
        var command = new Command(Name, "sends over AMQP, unsettled: a role of the amqp scenario")
        {
            options._address, options._connections, options._window, options._payload,
        };
        return options._client.Complete(command, options.Measure);
    }

    private RunFigures Measure(ParseResult parsed, TimeProvider time)
    {
        var credentials = _client.Credentials(parsed);
        var senders = new List<SenderClient>();
        try
        {
            for (var number = 0; number < parsed.GetValue(_connections); number++)
            {
                var credential = credentials(number);
                var address = new Template(parsed.GetValue(_address)!).Fill(credential?.Id ?? "", number);
                senders.Add(new SenderClient(
                    _client.Port(parsed), ClientOptions.LoginOf(credential), address, parsed.GetValue(_payload), parsed.GetValue(_window), time));
            }

            return Measure(senders, _client.WarmUp(parsed), _client.Duration(parsed), _client.ServerPid(parsed), time);
        }
        finally
        {
            senders.ForEach(sender => sender.Dispose());
        }
    }

    private static RunFigures Measure(List<SenderClient> senders, TimeSpan warmUp, TimeSpan duration, int? serverPid, TimeProvider time)
    {
        using var loop = new ClientLoop<SenderClient>(senders);
        senders.ForEach(sender => sender.Fill());
        loop.Watch();
        Run(warmUp);

        var latencies = new LatencyHistogram();
        senders.ForEach(sender => sender.Latencies = latencies);
        var accepted = senders.Sum(sender => sender.Accepted);
        var meter = new CpuMeter(serverPid, time);
        Run(duration);
        var cpu = meter.Read();
        accepted = senders.Sum(sender => sender.Accepted) - accepted;
        var refused = senders.Sum(sender => sender.Refused);
        return new RunFigures(
            new Dictionary<string, double>
            {
                [AmqpFigures.Rate] = accepted / cpu.Elapsed.TotalSeconds,
                [AmqpFigures.Cpu] = cpu.ServerSeconds / Math.Max(accepted, 1) * 1e6,
                [AmqpFigures.ClientCpu] = cpu.OwnSeconds / Math.Max(accepted, 1) * 1e6,
                [AmqpFigures.P50] = latencies.Percentile(0.5) / 1e6,
                [AmqpFigures.P99] = latencies.Percentile(0.99) / 1e6,
            },
            cpu.OtherCores,
            refused + (loop.Failure is null ? 0 : 1),
            loop.Failure ?? (refused > 0 ? "a transfer was not accepted" : null));

        void Run(TimeSpan span)
        {
            var begun = time.GetTimestamp();
            loop.Run(() => time.GetElapsedTime(begun) >= span, sender => sender.Fill());
        }
    }
}

/// <summary>Names of the figures of both AMQP roles.</summary>
internal static class AmqpFigures
{
    public const string Rate = "events/s", Cpu = "CPU-s/M", ClientCpu = "client s/M", P50 = "p50 ms", P99 = "p99 ms",
        Megabytes = "MB/s", LagP50 = "lag p50 ms", LagP99 = "lag p99 ms", LagMax = "lag max ms", Events = "events";
}
