using System.CommandLine;
using Nave.Cli.CloudToDevice;
using Nave.Cli.Hubs;
using Spectre.Console;

namespace Nave.Cli.Commands;

/// <summary><c>nave c2d feedback</c>: what became of commands, read as a back end reads it.</summary>
internal static class CloudToDeviceFeedback
{
    // Batches go out at most 15 s apart (spec/messaging-semantics.md 1.2).
    private static readonly TimeSpan FirstBatch = TimeSpan.FromSeconds(17);
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(1);

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new Command("feedback", "Take the feedback that senders asked for with --ack. What is shown is gone from the hub: back ends that read feedback too share it");
        var hub = HubArguments.AddTo(command);
        var follow = new Option<bool>("--follow") { Description = "Go on until Ctrl+C, --count or --timeout" };
        var count = new Option<int?>("--count", "-n") { Description = "End after this many; exit code 1 if fewer came", HelpName = "N" };
        var timeout = new Option<string?>("--timeout") { Description = "End after this time: 30s, 5m [17s for the first batch]", HelpName = "DURATION" };
        var json = Output.JsonOption();
        foreach (var option in new Option[] { follow, count, timeout, json })
        {
            command.Options.Add(option);
        }

        command.SetAction((parsed, stopping) => RunAsync(
            hub.Resolve(parsed),
            new Wanted(
                parsed.GetValue(follow), parsed.GetValue(count), CloudToDeviceCommand.ReadDuration("--timeout", parsed.GetValue(timeout)), parsed.GetValue(json)),
            stopping));
        return command;
    }

    private static async Task<int> RunAsync(HubTarget hub, Wanted wanted, CancellationToken stopping)
    {
        var time = TimeProvider.System;
        var began = time.GetTimestamp();
        var shown = 0;
        await using var client = await BackEndClient.ConnectAsync(hub, time);
        while (shown < (wanted.Count ?? int.MaxValue)
            && await client.NextFeedbackAsync(wanted.Next(shown, time.GetElapsedTime(began)), stopping) is { } batch)
        {
            foreach (var record in batch.Records)
            {
                Show(record, wanted.IsJson);
            }

            shown += batch.Records.Count;
            batch.Complete();
        }

        if (shown < wanted.Count)
        {
            await Console.Error.WriteLineAsync($"{shown} of {wanted.Count} records came.");
            return Tool.Failed;
        }

        if (shown == 0)
        {
            await Console.Error.WriteLineAsync("No feedback came. Commands give some when they are sent with --ack positive, negative or full.");
        }

        return Tool.Done;
    }

    private static void Show(Feedback record, bool asJson)
    {
        if (asJson)
        {
            Output.JsonLine(record.Json);
            return;
        }

        var color = record.IsSuccess ? "green" : "red";
        Output.Screen().MarkupLine(
            $"[grey]{Safe(record.EnqueuedTime)}[/] [blue]{Safe(record.DeviceId)}[/] {Safe(record.MessageId)} [{color}]{Safe(record.Outcome)}[/]");
    }

    private static string Safe(string text) => Markup.Escape(Output.Printable(text));

    private sealed record Wanted(bool Follows, int? Count, TimeSpan? Timeout, bool IsJson)
    {
        // Without an end of its own: the first batch, and what comes at once behind it.
        public TimeSpan Next(int shown, TimeSpan elapsed) =>
            Timeout is { } timeout ? timeout - elapsed
            : Follows || Count is not null ? TimeSpan.MaxValue
            : shown == 0 ? FirstBatch
            : Quiet;
    }
}
