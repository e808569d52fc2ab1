using System.CommandLine;
using Nave.Cli.Events;
using Nave.Cli.Hubs;
using Nave.Hub.Hosting;
using Spectre.Console;

namespace Nave.Cli.Commands;

/// <summary><c>nave events monitor</c>: what the events endpoint delivers, as it arrives.</summary>
internal static class EventsCommand
{
    // A line of a terminal or two; --json has the whole.
    private const int MaxShownBody = 300;

    /// <summary>The command.</summary>
    public static Command Create() => new("events", "The events endpoint") { CreateMonitor("Show events as they arrive", "") };

    /// <summary>A command <c>monitor</c>, of the endpoint's entity or of another beside it.</summary>
    public static Command CreateMonitor(string description, string entitySuffix)
    {
        var command = new Command("monitor", description);
        var hub = HubArguments.AddTo(command);
        var flags = new MonitorFlags(command);
        command.SetAction((parsed, stopping) => RunAsync(hub.Resolve(parsed), entitySuffix, flags.Read(parsed), stopping));
        return command;
    }

    private static async Task<int> RunAsync(HubTarget hub, string entitySuffix, MonitorRequest request, CancellationToken stopping)
    {
        using var deadline = request.Timeout is { } timeout ? new CancellationTokenSource(timeout, TimeProvider.System) : new CancellationTokenSource();
        using var end = CancellationTokenSource.CreateLinkedTokenSource(stopping, deadline.Token);
        await using var client = await EventsClient.ConnectAsync(hub, TimeProvider.System, entitySuffix);
        var partitions = request.Partition is { } one ? [one] : client.Partitions;
        if (!request.IsJson && !Console.IsErrorRedirected)
        {
            await Console.Error.WriteLineAsync($"{hub.Host}, consumer group {request.Group}, {partitions.Count} partitions. Ctrl+C ends it.");
        }

        var shown = 0;
        try
        {
            await foreach (var next in client.ReadAsync(request.Group, partitions, request.Start, TimeProvider.System, end.Token))
            {
                if (!request.Filter.Passes(next))
                {
                    continue;
                }

                Show(next, request.IsJson);
                if (++shown == request.Count)
                {
                    return Tool.Done;
                }
            }
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested)
        {
            // The person, or the time, has ended it.
        }

        if (request.Count is { } wanted && shown < wanted)
        {
            await Console.Error.WriteLineAsync($"{shown} of {wanted} events came.");
            return Tool.Failed;
        }

        return Tool.Done;
    }

    private static void Show(ReceivedEvent e, bool asJson)
    {
        if (asJson)
        {
            Output.JsonLine(e.ToJson());
            return;
        }

        var sender = e.ModuleId is null ? e.DeviceId : $"{e.DeviceId}/{e.ModuleId}";
        var body = e.BodyText is { } text ? Output.Printable(text) : $"{e.Body.Length} bytes: {Convert.ToHexStringLower(e.Body.Span[..Math.Min(32, e.Body.Length)])}";
        var properties = string.Join(' ', e.Properties.Select(property => $"{property.Key}={property.Value}"));
        Output.Screen().MarkupLineInterpolated(
            $"[grey]{e.EnqueuedTime.ToLocalTime():HH:mm:ss.fff} {e.Partition}#{e.SequenceNumber}[/] [blue]{Output.Printable(sender ?? "")}[/] {Cut(body)} [green]{Output.Printable(properties)}[/]");
    }

    private static string Cut(string text) => text.Length <= MaxShownBody ? text : text[..MaxShownBody] + "…";

    /// <summary>The options of the command.</summary>
    private sealed class MonitorFlags
    {
        private readonly Option<string?> _device = new("--device", "-d") { Description = "Only of these devices, with * for anything", HelpName = "PATTERN" };
        private readonly Option<string?> _module = new("--module") { Description = "Only of this module", HelpName = "MODULE" };
        private readonly Option<string[]> _property = new("--property") { Description = "Only with this property", HelpName = "NAME=VALUE" };
        private readonly Option<string?> _contains = new("--contains") { Description = "Only with this text in the body", HelpName = "TEXT" };
        private readonly Option<string> _group = new("--consumer-group", "-g") { Description = "Consumer group", HelpName = "GROUP", DefaultValueFactory = _ => "$Default" };
        private readonly Option<string?> _partition = new("--partition", "-p") { Description = "Only this partition [all]", HelpName = "ID" };
        private readonly Option<string> _from = new("--from") { Description = "From where: " + EventStart.Forms, HelpName = "START", DefaultValueFactory = _ => "end" };
        private readonly Option<int?> _count = new("--count") { Description = "End after this many; exit code 1 if fewer came in time", HelpName = "N" };
        private readonly Option<string?> _timeout = new("--timeout") { Description = "End after this time: 30s, 5m", HelpName = "DURATION" };
        private readonly Option<bool> _json = Output.JsonOption();

        public MonitorFlags(Command command)
        {
            foreach (var option in new Option[] { _device, _module, _property, _contains, _group, _partition, _from, _count, _timeout, _json })
            {
                command.Options.Add(option);
            }
        }

        public MonitorRequest Read(ParseResult parsed) => new(
            new EventFilter
            {
                Device = parsed.GetValue(_device),
                Module = parsed.GetValue(_module),
                Contains = parsed.GetValue(_contains),
                Properties = [.. (parsed.GetValue(_property) ?? []).Select(ReadProperty)],
            },
            parsed.GetValue(_group)!,
            parsed.GetValue(_partition),
            EventStart.TryParse(parsed.GetValue(_from)!, TimeProvider.System)
                ?? throw new CommandFailedException($"--from takes {EventStart.Forms}.", isUsage: true),
            parsed.GetValue(_count),
            parsed.GetValue(_timeout) is { } text
                ? OptionTable.TryReadDuration(text) ?? throw new CommandFailedException($"--timeout: '{text}' is not a duration.", isUsage: true)
                : null,
            parsed.GetValue(_json));

        private static (string Name, string Value) ReadProperty(string text) =>
            text.IndexOf('=', StringComparison.Ordinal) is var at and > 0
                ? (text[..at], text[(at + 1)..])
                : throw new CommandFailedException($"--property: '{text}' is not of the form NAME=VALUE.", isUsage: true);
    }

    /// <summary>What was asked for.</summary>
    private sealed record MonitorRequest(
        EventFilter Filter, string Group, string? Partition, EventStart Start, int? Count, TimeSpan? Timeout, bool IsJson);
}
