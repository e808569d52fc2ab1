using System.CommandLine;
using System.Security.Cryptography;
using Nave.Cli.CloudToDevice;
using Nave.Cli.Events;
using Nave.Cli.Hubs;
using Nave.Cli.Simulation;
using Nave.Hub.Hosting;
using Nave.Hub.Monitoring;
using Nave.Protocol.Identities;
using Spectre.Console;

namespace Nave.Cli.Commands;

/// <summary>
/// <c>nave demo</c>: the main job by itself, in a temporary directory and on free ports. A hub starts, devices are
/// registered and send telemetry over TLS, and what the events endpoint delivers is shown as it comes.
/// </summary>
internal static class DemoCommand
{
    private const string NextSteps = """
        Try it by hand:
          ./nave up                                    a hub that stays, in ./nave-data
          ./nave device create my-device               in another terminal
          ./nave connection-string my-device           for an unmodified Azure device SDK
          ./nave connection-string --events            for an Event Hubs client
          ./nave c2d send my-device hello -w           a command, and what became of it
          ./nave events monitor                        what arrives, as it arrives
          ./nave simulate --devices 50 --rate 500      a fleet
          docs/getting-started.md                      ten minutes with the Node SDKs

        """;

    private const int ShownEvents = 12;
    private static readonly TimeSpan LongestCommand = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LongestRun = TimeSpan.FromSeconds(50);

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new Command("demo", "See the hub at work, in a temporary directory, in under a minute");
        var seconds = new Option<int>("--seconds") { Description = "How long devices send, 1 to 40", DefaultValueFactory = _ => 15 };
        var devices = new Option<int>("--devices") { Description = "How many, 1 to 100", DefaultValueFactory = _ => 5 };
        command.Options.Add(seconds);
        command.Options.Add(devices);
        command.SetAction((parsed, stopping) =>
            RunAsync(Math.Clamp(parsed.GetValue(devices), 1, 100), Math.Clamp(parsed.GetValue(seconds), 1, 40), stopping));
        return command;
    }

    private static async Task<int> RunAsync(int devices, int seconds, CancellationToken stopping)
    {
        var screen = Output.Screen();
        var time = TimeProvider.System;
        var directory = Directory.CreateTempSubdirectory("nave-demo-").FullName;
        try
        {
            var began = time.GetTimestamp();
            using var log = new ConsoleLog(Console.Error, ConsoleFormat.Text, !Console.IsErrorRedirected, Microsoft.Extensions.Logging.LogLevel.Warning, time);
            await using var host = await HubHost.StartAsync(Options(directory), new HubSurroundings { Log = log }, stopping);
            var hub = HubTarget.Of(host.Connection, host.DataDirectory);
            Step(screen, $"A hub is up as {hub.Host}, ready after {time.GetElapsedTime(began).TotalMilliseconds:F0} ms: "
                + $"MQTT {hub.MqttsPort}, AMQP {hub.AmqpsPort}, HTTPS {hub.HttpsPort}, each with TLS by an authority of its own.");

            using var rest = new HubRest(hub, time);
            var fleet = new DeviceFleet(rest, "demo-", devices);
            await fleet.RegisterAsync(() => Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)), stopping);
            Step(screen, $"{devices} devices are registered over the REST API, demo-1 to demo-{devices}, each with keys of its own.");

            var seen = await ShowAsync(screen, hub, fleet, seconds, stopping);
            Step(screen, "The hub stops: last commit, goodbyes, lock. Everything acknowledged is on disk.");
            await host.StopAsync();
            screen.WriteLine();
            screen.Write(new Text(NextSteps));
            return seen ? Tool.Done : Tool.Failed;
        }
        catch (StartFailureException e)
        {
            throw new CommandFailedException(e.Message);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static async Task<bool> ShowAsync(IAnsiConsole screen, HubTarget hub, DeviceFleet fleet, int seconds, CancellationToken stopping)
    {
        var time = TimeProvider.System;
        var tally = new SimulationTally();
        var simulation = new FleetSimulation(hub, new SimulationPlan(fleet.Devices.Count * seconds, fleet.Devices.Count, 48, AnswersCommands: true), tally, time, new Random(1));
        await using var reader = await EventsClient.ConnectAsync(hub, time);
        Step(screen, $"An Event Hubs client reads {reader.Partitions.Count} partitions; the devices connect over MQTT with TLS and send.");
        await simulation.ConnectAsync(fleet.Devices, stopping);
        var isCommandDone = await CommandAsync(screen, hub, fleet.Devices[0].Id, stopping);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        end.CancelAfter(LongestRun);
        var sending = simulation.RunAsync(end.Token);
        var read = await (Console.IsOutputRedirected
            ? PrintAsync(screen, reader, sending, tally, end.Token)
            : ShowTableAsync(screen, reader, sending, tally, end.Token));
        await sending;
        await simulation.DisconnectAsync();
        Step(screen, FormattableString.Invariant(
            $"{tally.Sent} sent, {tally.Acknowledged} acknowledged after they were on disk (median {tally.Latency.Percentile(50).TotalMilliseconds:F1} ms), {read} read back."));
        foreach (var (error, count) in tally.Errors)
        {
            screen.MarkupLineInterpolated($"  [red]{count} × {error}[/]");
        }

        return isCommandDone && tally.Errors.Count == 0 && tally.Sent == tally.Acknowledged && read == tally.Acknowledged;
    }

    // A back end sends, the device completes, the back end hears of it.
    private static async Task<bool> CommandAsync(IAnsiConsole screen, HubTarget hub, string device, CancellationToken stopping)
    {
        var time = TimeProvider.System;
        var began = time.GetTimestamp();
        var command = new OutgoingCommand
        {
            Target = new IdentityId(DeviceId.Parse(device)),
            MessageId = "demo-command",
            Acknowledgement = "full",
            ContentType = "application/json",
            Body = """{"led":"on"}"""u8.ToArray(),
        };
        await using var backEnd = await BackEndClient.ConnectAsync(hub, time);
        backEnd.OpenFeedback();
        await backEnd.SendAsync(command);
        var feedback = await backEnd.WaitForFeedbackAsync(command.MessageId, LongestCommand, stopping);
        Step(screen, FormattableString.Invariant(
            $"A command goes to {device} over AMQP; the back end's feedback after {time.GetElapsedTime(began).TotalMilliseconds:F0} ms: {feedback?.Outcome ?? "none"}."));
        return feedback is { IsSuccess: true };
    }

    private static async Task<long> PrintAsync(
        IAnsiConsole screen, EventsClient reader, Task sending, SimulationTally tally, CancellationToken end)
    {
        long read = 0;
        await ReadAsync(reader, sending, tally, next =>
        {
            read++;
            screen.WriteLine($"  {next.EnqueuedTime.ToLocalTime():HH:mm:ss.fff} {next.Partition}#{next.SequenceNumber} {next.DeviceId} {next.BodyText}");
        }, end);
        return read;
    }

    private static async Task<long> ShowTableAsync(
        IAnsiConsole screen, EventsClient reader, Task sending, SimulationTally tally, CancellationToken end)
    {
        long read = 0;
        var last = new Queue<ReceivedEvent>();
        await screen.Live(TableOf(last)).StartAsync(async live =>
        {
            await ReadAsync(reader, sending, tally, next =>
            {
                read++;
                last.Enqueue(next);
                if (last.Count > ShownEvents)
                {
                    last.Dequeue();
                }

                live.UpdateTarget(TableOf(last));
            }, end);
        });
        return read;
    }

    // Until everything that was acknowledged has come back, or the time is up.
    private static async Task ReadAsync(
        EventsClient reader, Task sending, SimulationTally tally, Action<ReceivedEvent> show, CancellationToken end)
    {
        long read = 0;
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(end);
        var watching = StopWhenSentAsync();
        try
        {
            await foreach (var next in reader.ReadAsync("$Default", reader.Partitions, EventStart.Beginning, TimeProvider.System, enough.Token))
            {
                show(next);
                if (Interlocked.Increment(ref read) >= tally.Sent && sending.IsCompleted)
                {
                    break;
                }
            }
        }
        catch (OperationCanceledException) when (enough.IsCancellationRequested)
        {
            // All is read, or the time is up: the summary says which.
        }

        await watching;

        // The last event may come before the last acknowledgement: then nothing more will wake the loop.
        async Task StopWhenSentAsync()
        {
            await sending;
            if (Interlocked.Read(ref read) >= tally.Sent)
            {
                await enough.CancelAsync();
            }
        }
    }

    private static Table TableOf(IEnumerable<ReceivedEvent> events)
    {
        var table = new Table().Border(TableBorder.Rounded).AddColumns("enqueued", "partition", "number", "device", "body");
        foreach (var e in events)
        {
            table.AddRow(
                new Text(e.EnqueuedTime.ToLocalTime().ToString("HH:mm:ss.fff", null)), new Text(e.Partition), new Text($"{e.SequenceNumber}"),
                new Text(e.DeviceId ?? ""), new Text(Output.Printable(e.BodyText ?? "")));
        }

        return table;
    }

    private static HubOptions Options(string directory)
    {
        var options = new HubOptions();
        options.Hub.DataDirectory = Path.Combine(directory, "data");
        options.Listen.MqttsPort = options.Listen.AmqpsPort = options.Listen.HttpsPort = options.Listen.OperatorPort = 0;
        return options;
    }

    private static void Step(IAnsiConsole screen, string text) => screen.MarkupLineInterpolated($"[green]●[/] {text}");
}
