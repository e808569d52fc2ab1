using System.CommandLine;
using System.Globalization;
using Spectre.Console;

namespace Nave.Bench.Scenarios;

/// <summary><c>million</c>: as many connected devices as asked for, each watched for its heartbeat, for as long as memory lasts.</summary>
internal sealed class MillionCommand
{
    private const double MiB = 1024 * 1024;
    private const int Must = 250_000;
    private const int Aim = 1_000_000;

    private readonly ScenarioFrame _frame;
    private readonly Option<int> _devices = Number("--devices", "devices to register and connect", Aim);
    private readonly Option<int> _step = Number("--step", "connections of one generator process; memory is looked at before each", 50_000);
    private readonly Option<int> _keepAlive = Number("--keep-alive", "seconds; each device pings at half of it", 1700);
    private readonly Option<int> _hold = Number("--hold", "seconds that all are held", 30);
    private readonly Option<int> _reserve = Number("--reserve", "MB of memory that must stay available: the run stops before", 1500);
    private readonly Option<string?> _source = new("--source") { Description = "loopback source addresses, separated by commas; left out: 127.0.1.1 and on" };

    private MillionCommand(Command command)
    {
        foreach (var option in (Option[])[_devices, _step, _keepAlive, _hold, _reserve, _source])
        {
            command.Options.Add(option);
        }

        _frame = new ScenarioFrame(command);
    }

    public static Command Create()
    {
        var command = new Command("million", "as many connected devices as memory takes: how many are held, and the bytes of each");
        var options = new MillionCommand(command);
        command.SetAction((parsed, stopping) => options._frame.RunAsync(
            parsed, space => options.MeasureAsync(parsed, space, stopping), BenchJson.Indented.MillionReport, Write));
        return command;
    }

    private async Task<MillionReport> MeasureAsync(ParseResult parsed, ScenarioSpace space, CancellationToken stopping)
    {
        var time = TimeProvider.System;
        var startedAt = time.GetUtcNow();
        var plan = new MillionPlan(
            parsed.GetValue(_devices), Math.Max(parsed.GetValue(_step), 1), parsed.GetValue(_keepAlive), TimeSpan.FromSeconds(parsed.GetValue(_hold)),
            (long)(parsed.GetValue(_reserve) * MiB), parsed.GetValue(_source) ?? Loopback.Sources(parsed.GetValue(_devices)));
        MachineLimits.Ensure(plan.Devices);
        var (machine, disk) = (MachineReport.Read(), DiskReport.Measure(space.Directory));

        var nave = new NavePeer(space.NaveProgram);
        var setting = new PeerSetting(space.Directory, Devices: 0, Tls: false, MayInstall: false, time);
        var version = await nave.PrepareAsync(setting, stopping);
        await using var hub = await nave.StartAsync(setting, stopping);
        await using var run = new MillionRun(hub, plan, space, time);
        return (await run.RunAsync(stopping)) with
        {
            StartedAt = startedAt,
            Machine = machine,
            Disk = disk,
            Version = version,
            Settings = new Dictionary<string, string>
            {
                ["devices"] = Text(plan.Devices),
                ["transport"] = "plain TCP, SAS token of each device",
                ["keep-alive s"] = Text(plan.KeepAliveSeconds),
                ["heartbeat rule"] = "every hour, anything counts",
                ["held s"] = Text(parsed.GetValue(_hold)),
                ["reserve MB"] = Text(parsed.GetValue(_reserve)),
            },
        };
    }

    /// <summary>Row 14.</summary>
    public static Demand Judge(int held) =>
        new(14, "connected devices held", Bar.AtLeast(held, Must, "devices"), Bar.AtLeast(held, Aim, "devices"));

    private static void Write(IAnsiConsole console, MillionReport report)
    {
        var table = new Table().Border(TableBorder.Simple).AddColumns("held", "connects/s", "hub MB", "kernel MB", "available MB");
        foreach (var step in report.Steps)
        {
            table.AddRow(
                $"{step.Held:N0}", $"{step.ConnectsPerSecond:N0}", $"{step.ServerBytes / MiB:N0}", $"{Known(step.KernelBytes / MiB)}", $"{step.AvailableBytes / MiB:N0}");
        }

        console.Write(table);
        console.MarkupLineInterpolated(CultureInfo.InvariantCulture,
            $"{report.Held:N0} held of {report.Registered:N0} registered ({report.EndedBy}); by heartbeat state: {string.Join(", ", report.Tracked.Select(one => $"{one.Value:N0} {one.Key}"))}");
        console.MarkupLineInterpolated(CultureInfo.InvariantCulture,
            $"a connection: {report.ServerBytesEach:N0} bytes of the hub, {Known(report.KernelBytesEach)} of the kernel (both ends), {report.MachineBytesEach:N0} of the machine with its generator; the hub with none connected {report.ServerBytesBefore / MiB:N0} MB");
        console.MarkupLineInterpolated(CultureInfo.InvariantCulture,
            $"{report.ConnectsPerSecond:N0} connects/s, {report.ServerCpuMillisecondsPerConnect:0.000} ms of CPU each");
        ScenarioView.WriteWhere(console, report.Settings, new Dictionary<string, string> { [NavePeer.PeerName] = report.Version }, report.Machine, report.Disk);
        ScenarioView.WriteDemands(console, report.Demands);
    }

    private static string Known(double? number) => number is { } known ? known.ToString("N0", CultureInfo.CurrentCulture) : "unknown";

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static Option<int> Number(string name, string description, int value) =>
        new(name) { Description = description, DefaultValueFactory = _ => value };
}
