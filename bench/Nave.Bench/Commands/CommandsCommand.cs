using System.CommandLine;
using Nave.Bench.Scenarios;
using Spectre.Console;

namespace Nave.Bench.Commands;

/// <summary><c>commands</c>: cloud-to-device commands queued, taken and completed, and what the queued ones cost in memory.</summary>
internal sealed class CommandsCommand
{
    private const double LargestShareOfOthers = 0.25;
    private const double MiB = 1024 * 1024;

    private readonly Option<int> _devices = Number("--devices", "devices that are away", 10_000);
    private readonly Option<int> _queued = Number("--queued", "commands that each holds, at most 50", 10);
    private readonly Option<int> _payload = Number("--payload", "bytes of a command", 100);
    private readonly Option<int> _clients = Number("--clients", "requests under way at once", 64);
    public static Command Create()
    {
        var options = new CommandsCommand();
        var command = new Command("commands", "Commands over HTTPS: accept, deliver and settle rates, and the memory of what is queued")
        {
            options._devices, options._queued, options._payload, options._clients,
        };
        var frame = new ScenarioFrame(command);
        command.SetAction((parsed, stopping) => frame.RunAsync(
            parsed, space => options.MeasureAsync(parsed, space, stopping), BenchJson.Indented.CommandsReport, Write));
        return command;
    }

    /// <summary>Measures one fresh hub in a directory of its own.</summary>
    public static async Task<CommandsReport> MeasureAsync(
        CommandsPlan plan, string? program, string directory, Action<string> progress, CancellationToken stopping)
    {
        var time = TimeProvider.System;
        var startedAt = time.GetUtcNow();
        var disk = DiskReport.Measure(directory);
        var machine = MachineReport.Read();
        var nave = new NavePeer(program);
        var setting = new PeerSetting(directory, plan.Devices, Tls: false, MayInstall: false, time);
        var version = await nave.PrepareAsync(setting, stopping);
        await using var server = await nave.StartAsync(setting, stopping);
        using var run = new CommandsRun(server, plan, time);
        var (phases, memory) = await run.RunAsync(progress, stopping);
        return new CommandsReport(
            startedAt, [.. Voids(machine, disk, phases)], machine, disk, version, plan.Devices, plan.Queued, plan.PayloadBytes, plan.Clients, phases, memory);
    }

    private Task<CommandsReport> MeasureAsync(ParseResult parsed, ScenarioSpace space, CancellationToken stopping) => MeasureAsync(
        new CommandsPlan(parsed.GetValue(_devices), parsed.GetValue(_queued), parsed.GetValue(_payload), parsed.GetValue(_clients)),
        space.NaveProgram,
        space.Directory,
        line => space.Progress.MarkupLineInterpolated($"[grey]{line}[/]"),
        stopping);

    private static IEnumerable<string> Voids(MachineReport machine, DiskReport disk, IReadOnlyList<PhaseReport> phases)
    {
        if (disk.Problem is { } problem)
        {
            yield return problem;
        }

        foreach (var phase in phases.Where(phase => phase.Failed > 0))
        {
            yield return $"{phase.Phase} failed {phase.Failed} times, the first: {phase.FirstError}";
        }

        if (phases.Max(phase => phase.OtherCores) is var others && others > LargestShareOfOthers * machine.Cores)
        {
            yield return $"other work took {others:0.0} of the {machine.Cores} cores: rates and latencies are not the hub's own.";
        }
    }

    private static void Write(IAnsiConsole console, CommandsReport report)
    {
        var table = new Table().Border(TableBorder.Simple)
            .AddColumns("phase", "done", "per second", "p50/p99/max ms", "server CPU us", "generator CPU us", "other cores", "failed");
        foreach (var phase in report.Phases)
        {
            table.AddRow(
                phase.Phase,
                $"{phase.Done:N0}",
                $"{phase.PerSecond:N0}",
                $"{phase.Latency.P50Ms:0.0}/{phase.Latency.P99Ms:0.0}/{phase.Latency.MaxMs:0}",
                $"{phase.ServerCpuMicrosecondsEach:0}",
                $"{phase.GeneratorCpuMicrosecondsEach:0}",
                $"{phase.OtherCores:0.0}",
                phase.Failed is 0 ? "-" : $"[red]{phase.Failed}[/]");
        }

        console.Write(table);
        var memory = report.Memory;
        console.MarkupLineInterpolated(
            $"resident MB: {memory.Before / MiB:0} before, {memory.Queued / MiB:0} with {(long)report.Devices * report.QueuedPerDevice:N0} queued ({memory.Added / MiB:+0.0;-0.0}), {memory.Settled / MiB:0} settled");
        console.MarkupLineInterpolated(
            $"[grey]{report.Devices} devices, {report.QueuedPerDevice} commands each of {report.PayloadBytes} B, {report.Clients} clients over HTTPS; {report.Version}; {report.Machine.Processor}, {report.Machine.Cores} cores; {report.Disk.FileSystem}, fdatasync p50 {report.Disk.SyncP50Microseconds:0} us[/]");
    }

    private static Option<int> Number(string name, string description, int value)
    {
        var option = new Option<int>(name) { Description = description, DefaultValueFactory = _ => value };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < 1)
            {
                result.AddError($"{name} must be 1 or more.");
            }
        });
        return option;
    }
}
