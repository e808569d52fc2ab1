using System.CommandLine;
using System.Globalization;
using Nave.Bench.Figures;
using Nave.Bench.Linux;
using Nave.Bench.Load;
using Nave.Bench.Scenarios;

namespace Nave.Bench.RoundTrips;

/// <summary>
/// <c>roundtrip</c>: a command from a back end's send over AMQP to the device over MQTT, its PUBACK, and the feedback that the
/// back end reads. Direct methods and twin patches have scenarios of their own.
/// </summary>
internal sealed class RoundTripCommand
{
    public const string Rate = "round trips/s";
    private const string Delivered = "delivered", Accepted = "accepted", Feedback = "feedback";
    private static readonly TimeSpan FeedbackPatience = TimeSpan.FromSeconds(20); // The hub gathers feedback for 15 s.
    private static readonly TimeSpan FeedbackInterval = TimeSpan.FromMilliseconds(50);

    private readonly Option<int> _rounds = new("--rounds") { Description = "interleaved rounds, a fresh hub each", DefaultValueFactory = _ => 5 };
    private readonly Option<string> _atATime = new("--at-a-time") { Description = "commands under way, each to a device of its own; one case each", DefaultValueFactory = _ => "1,16" };
    private readonly Option<double> _warmUp = new("--warm-up") { Description = "seconds before measuring", DefaultValueFactory = _ => 1 };
    private readonly Option<double> _duration = new("--duration") { Description = "seconds measured", DefaultValueFactory = _ => 3 };

    private int _commands;

    public static Command Create()
    {
        var options = new RoundTripCommand();
        var command = new Command("roundtrip", "a command's way: back end, device, PUBACK, feedback; 1 and 16 at a time")
        {
            options._rounds, options._atATime, options._warmUp, options._duration,
        };
        var frame = new ScenarioFrame(command);
        command.SetAction((parsed, stopping) => frame.RunAsync(
            parsed, space => options.MeasureAsync(parsed, new NavePeer(space.NaveProgram), space, stopping), BenchJson.Indented.FiguresReport, FiguresView.Write));
        return command;
    }

    /// <summary>One run against a hub that serves, with as many commands under way as devices are seeded.</summary>
    public async Task<RunFigures> RunAsync(RunningPeer hub, int devices, TimeSpan warmUp, TimeSpan duration, TimeProvider time, CancellationToken stopping)
    {
        var connected = new List<CommandDevice>();
        try
        {
            foreach (var credential in DeviceCredential.ReadAll(hub.LoadArguments[1]).Take(devices)) // Behind "--credentials".
            {
                connected.Add(await CommandDevice.ConnectAsync(hub.Port, credential, time, stopping));
            }

            await using var backEnd = await CommandBackEnd.ConnectAsync(hub.Hub!, time);
            await LanesAsync(backEnd, connected, warmUp, time, stopping);
            await WaitForFeedbackAsync(backEnd, time, stopping);
            backEnd.TakeFeedback();

            var meter = new CpuMeter(hub.ProcessId, time);
            var lanes = await LanesAsync(backEnd, connected, duration, time, stopping);
            var seconds = meter.Read().Elapsed.TotalSeconds;
            await WaitForFeedbackAsync(backEnd, time, stopping);
            return Figures(lanes, backEnd, meter.Read(), seconds);
        }
        finally
        {
            foreach (var device in connected)
            {
                await device.DisposeAsync();
            }
        }
    }

    private async Task<FiguresReport> MeasureAsync(ParseResult parsed, NavePeer nave, ScenarioSpace space, CancellationToken stopping)
    {
        var time = TimeProvider.System;
        var startedAt = time.GetUtcNow();
        var (machine, disk) = (MachineReport.Read(), DiskReport.Measure(space.Directory));
        var depths = parsed.GetValue(_atATime)!.Split(',').ToDictionary(text => $"{text} at a time", Depth);
        var setting = new PeerSetting(space.Directory, depths.Values.Max(), Tls: false, MayInstall: false, time);
        var versions = new Dictionary<string, string> { [NavePeer.PeerName] = await nave.PrepareAsync(setting, stopping) };
        var runs = await new InterleavedFigures(
            [.. depths.Keys.Select(@case => (@case, NavePeer.PeerName))],
            parsed.GetValue(_rounds),
            async (@case, _) =>
            {
                await using var hub = await nave.StartAsync(setting, stopping);
                return await RunAsync(
                    hub, depths[@case], TimeSpan.FromSeconds(parsed.GetValue(_warmUp)), TimeSpan.FromSeconds(parsed.GetValue(_duration)), time, stopping);
            },
            space.Progress,
            time).RunAsync();
        var rows = FiguresRow.Of(runs);
        var settings = new Dictionary<string, string>
        {
            ["back end"] = "AMQP, plain TCP",
            ["device"] = "MQTT, plain TCP",
            ["latencies"] = "in ms",
            ["rounds"] = parsed.GetValue(_rounds).ToString(CultureInfo.InvariantCulture),
            ["feedback"] = "batches of 64 or after 15 s, as the service does",
        };
        return new FiguresReport(
            "roundtrip", startedAt, [.. FiguresVoids.Of(machine, disk, rows, null, Rate)], machine, disk, versions, settings, [], rows, runs);
    }

    private async Task<IReadOnlyList<(LatencyHistogram Accepted, LatencyHistogram Delivered)>> LanesAsync(
        CommandBackEnd backEnd, List<CommandDevice> devices, TimeSpan duration, TimeProvider time, CancellationToken stopping) =>
        await Task.WhenAll(devices.Select(device => LaneAsync(backEnd, device, duration, time, stopping)));

    private async Task<(LatencyHistogram Accepted, LatencyHistogram Delivered)> LaneAsync(
        CommandBackEnd backEnd, CommandDevice device, TimeSpan duration, TimeProvider time, CancellationToken stopping)
    {
        var (accepted, delivered) = (new LatencyHistogram(), new LatencyHistogram());
        var begun = time.GetTimestamp();
        while (time.GetElapsedTime(begun) < duration)
        {
            var id = Interlocked.Increment(ref _commands).ToString(CultureInfo.InvariantCulture);
            var sent = time.GetTimestamp();
            await backEnd.SendAsync(device.Id, id);
            accepted.Record((long)time.GetElapsedTime(sent).TotalNanoseconds);
            var arrived = await device.ReceiveAsync(stopping);
            backEnd.OnArrived(id, arrived);
            delivered.Record((long)time.GetElapsedTime(sent, arrived).TotalNanoseconds);
        }

        return (accepted, delivered);
    }

    private static async Task WaitForFeedbackAsync(CommandBackEnd backEnd, TimeProvider time, CancellationToken stopping)
    {
        var begun = time.GetTimestamp();
        using var ticks = new PeriodicTimer(FeedbackInterval, time);
        while (backEnd.Missing > 0 && time.GetElapsedTime(begun) < FeedbackPatience)
        {
            await ticks.WaitForNextTickAsync(stopping);
        }
    }

    private static RunFigures Figures(
        IReadOnlyList<(LatencyHistogram Accepted, LatencyHistogram Delivered)> lanes, CommandBackEnd backEnd, CpuSpan cpu, double seconds)
    {
        var (accepted, delivered, feedback) = (new LatencyHistogram(), new LatencyHistogram(), backEnd.TakeFeedback());
        foreach (var lane in lanes)
        {
            accepted.Add(lane.Accepted);
            delivered.Add(lane.Delivered);
        }

        double count = Math.Max(delivered.Count, 1);
        var values = new Dictionary<string, double> { [Rate] = delivered.Count / seconds, ["CPU us"] = cpu.ServerSeconds / count * 1e6 };
        foreach (var (name, latencies) in ((string, LatencyHistogram)[])[(Accepted, accepted), (Delivered, delivered), (Feedback, feedback)])
        {
            values[$"{name} p50"] = latencies.Percentile(0.5) / 1e6;
            values[$"{name} p99"] = latencies.Percentile(0.99) / 1e6;
        }

        return new RunFigures(
            values, cpu.OtherCores, backEnd.Missing + (backEnd.FirstError is null ? 0 : 1),
            backEnd.FirstError ?? (backEnd.Missing > 0 ? "a command's feedback did not come" : null));
    }

    private static int Depth(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var depth) && depth is > 0 and <= 1000
            ? depth
            : throw new FormatException($"commands at a time are 1 to 1000, not \"{text}\"");
}
