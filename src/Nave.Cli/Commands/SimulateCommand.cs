using System.CommandLine;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Nave.Cli.Hubs;
using Nave.Cli.Simulation;
using Nave.Hub.Hosting;
using Spectre.Console;

namespace Nave.Cli.Commands;

/// <summary><c>nave simulate</c>: a fleet of devices over real connections, with an honest summary.</summary>
internal static class SimulateCommand
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(200);

    private static readonly Dictionary<string, SimulatedProtocol> Protocols = new()
    {
        ["mqtt"] = SimulatedProtocol.Mqtt,
        ["mqtt-ws"] = SimulatedProtocol.MqttWs,
        ["amqp"] = SimulatedProtocol.Amqp,
        ["amqp-ws"] = SimulatedProtocol.AmqpWs,
        ["https"] = SimulatedProtocol.Https,
    };

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new Command("simulate", "Simulate devices that send telemetry, over any protocol of the device SDKs, and may answer commands");
        var hub = HubArguments.AddTo(command);
        var devices = Number("--devices", "-n", "How many devices", 10, 1, 100_000);
        var rate = new Option<double>("--rate", "-r") { Description = "Messages a second, all devices together", DefaultValueFactory = _ => 10 };
        var duration = new Option<string>("--duration") { Description = "For how long: 30s, 5m, 1h", HelpName = "DURATION", DefaultValueFactory = _ => "30s" };
        var messages = new Option<long?>("--messages") { Description = "How many messages altogether, instead of a duration", HelpName = "N" };
        var size = Number("--size", "-s", "Bytes of a message's body, at least", 64, 1, 250_000);
        var prefix = new Option<string?>("--prefix") { Description = "Device ids are this with a number behind [sim- and four digits]", HelpName = "TEXT" };
        var existing = new Option<bool>("--existing") { Description = "Use devices that are registered already" };
        var keep = new Option<bool>("--keep") { Description = "Leave the devices registered" };
        var protocol = new Option<string>("--protocol") { Description = "How devices connect", HelpName = string.Join('|', Protocols.Keys), DefaultValueFactory = _ => "mqtt" };
        protocol.AcceptOnlyFromAmong([.. Protocols.Keys]);
        var answer = new Option<bool>("--answer-commands") { Description = "Take cloud-to-device commands, complete and count them" };
        var methods = new Option<bool>("--answer-methods") { Description = "Answer direct methods with what they are given, and count them; over mqtt and mqtt-ws" };
        var json = Output.JsonOption();
        command.Validators.Add(result =>
        {
            var chosen = result.GetResult(protocol) is { Tokens: [var token, ..] } ? token.Value : "mqtt"; // No defaults here yet.
            if (result.GetValue(methods) && chosen is not ("mqtt" or "mqtt-ws"))
            {
                result.AddError("--answer-methods is for --protocol mqtt and mqtt-ws.");
            }
        });
        rate.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<double>() is not (> 0 and <= 1_000_000))
            {
                result.AddError("--rate must be over 0 and at most 1000000.");
            }
        });
        foreach (var option in new Option[] { devices, rate, duration, messages, size, prefix, existing, keep, protocol, answer, methods, json })
        {
            command.Options.Add(option);
        }

        command.SetAction(async (parsed, stopping) =>
        {
            var target = hub.Resolve(parsed);
            var span = OptionTable.TryReadDuration(parsed.GetValue(duration)!)
                ?? throw new CommandFailedException($"--duration: '{parsed.GetValue(duration)}' is not a duration: write 30s, 5m or 1h.", isUsage: true);
            var plan = new SimulationPlan(
                parsed.GetValue(messages) ?? (long)Math.Ceiling(parsed.GetValue(rate) * span.TotalSeconds), parsed.GetValue(rate), parsed.GetValue(size),
                Protocols[parsed.GetValue(protocol)!], parsed.GetValue(answer))
            {
                AnswersMethods = parsed.GetValue(methods),
            };
            using var rest = new HubRest(target, TimeProvider.System);
            var name = parsed.GetValue(prefix) ?? $"sim-{RandomNumberGenerator.GetInt32(1000, 10_000)}-";
            var fleet = new DeviceFleet(rest, name, parsed.GetValue(devices));
            try
            {
                await (parsed.GetValue(existing)
                    ? fleet.FindAsync(stopping)
                    : fleet.RegisterAsync(() => Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)), stopping));
                return await RunAsync(target, fleet, plan, parsed.GetValue(json), stopping);
            }
            finally
            {
                if (!parsed.GetValue(keep))
                {
                    await fleet.DeleteAsync(CancellationToken.None);
                }
            }
        });
        return command;
    }

    private static async Task<int> RunAsync(HubTarget hub, DeviceFleet fleet, SimulationPlan plan, bool asJson, CancellationToken stopping)
    {
        var time = TimeProvider.System;
        var tally = new SimulationTally();
        var simulation = new FleetSimulation(hub, plan, tally, time, new Random(1));
        await simulation.ConnectAsync(fleet.Devices, stopping);
        var connected = tally.Connected;
        var began = time.GetTimestamp();
        var running = simulation.RunAsync(stopping);
        await (asJson ? running : ShowProgressAsync(running, tally, plan));
        var took = time.GetElapsedTime(began);
        await simulation.DisconnectAsync();
        Summarize(plan, tally, connected, fleet.Devices.Count, took, asJson);
        return tally.Errors.Count == 0 && tally.Acknowledged == tally.Sent ? Tool.Done : Tool.Failed;
    }

    private static Task ShowProgressAsync(Task running, SimulationTally tally, SimulationPlan plan) =>
        Output.Screen().Progress()
            .Columns(new TaskDescriptionColumn(), new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .StartAsync(async progress =>
            {
                var bar = progress.AddTask("acknowledged", maxValue: Math.Max(1, plan.Messages));
                while (!running.IsCompleted)
                {
                    await Task.WhenAny(running, Task.Delay(Look, TimeProvider.System));
                    bar.Value = tally.Acknowledged;
                    bar.Description = $"{tally.Connected} devices, {tally.Acknowledged} of {plan.Messages} acknowledged{(plan.AnswersCommands ? $", {tally.Commands} commands answered" : "")}{(plan.AnswersMethods ? $", {tally.Methods} methods answered" : "")}";
                }

                await running;
            });

    private static void Summarize(SimulationPlan plan, SimulationTally tally, int connected, int devices, TimeSpan took, bool asJson)
    {
        var latency = tally.Latency;
        if (asJson)
        {
            Output.Json(new JsonObject
            {
                ["devices"] = devices,
                ["connected"] = connected,
                ["protocol"] = Protocols.First(pair => pair.Value == plan.Protocol).Key,
                ["sent"] = tally.Sent,
                ["acknowledged"] = tally.Acknowledged,
                ["commandsAnswered"] = plan.AnswersCommands ? tally.Commands : null,
                ["methodsAnswered"] = plan.AnswersMethods ? tally.Methods : null,
                ["seconds"] = Math.Round(took.TotalSeconds, 3),
                ["errors"] = new JsonObject(tally.Errors.Select(error => KeyValuePair.Create(error.Key, (JsonNode?)error.Value))),
                ["latencyMilliseconds"] = new JsonObject
                {
                    ["p50"] = Milliseconds(latency.Percentile(50)),
                    ["p95"] = Milliseconds(latency.Percentile(95)),
                    ["p99"] = Milliseconds(latency.Percentile(99)),
                    ["max"] = Milliseconds(latency.Max),
                },
            });
            return;
        }

        Output.Fields(
        [
            ("devices", $"{connected} of {devices} connected"),
            ("sent", $"{tally.Sent}"),
            ("acknowledged", $"{tally.Acknowledged}{(tally.Acknowledged < tally.Sent ? $", {tally.Sent - tally.Acknowledged} not" : "")}"),
            ("time", FormattableString.Invariant($"{took.TotalSeconds:F1} s, {tally.Acknowledged / Math.Max(0.001, took.TotalSeconds):F0} acknowledged a second")),
            ("latency", FormattableString.Invariant(
                $"p50 {Milliseconds(latency.Percentile(50))}, p95 {Milliseconds(latency.Percentile(95))}, p99 {Milliseconds(latency.Percentile(99))}, max {Milliseconds(latency.Max)} ms")),
            .. plan.AnswersCommands ? [("commands", (string?)$"{tally.Commands} answered")] : Array.Empty<(string, string?)>(),
            .. plan.AnswersMethods ? [("methods", (string?)$"{tally.Methods} answered")] : Array.Empty<(string, string?)>(),
            .. tally.Errors.Count == 0
                ? [("errors", (string?)"none")]
                : tally.Errors.OrderByDescending(error => error.Value).Take(10).Select(error => ("error", (string?)$"{error.Value} × {error.Key}")),
        ]);
    }

    private static double Milliseconds(TimeSpan span) => Math.Round(span.TotalMilliseconds, 2);

    private static Option<int> Number(string name, string alias, string description, int preset, int least, int most)
    {
        var option = new Option<int>(name, alias) { Description = description, DefaultValueFactory = _ => preset };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() < least || result.GetValueOrDefault<int>() > most)
            {
                result.AddError($"{name} must be from {least} to {most}.");
            }
        });
        return option;
    }
}
