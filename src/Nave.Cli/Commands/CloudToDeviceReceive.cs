using System.CommandLine;
using Nave.Cli.CloudToDevice;
using Nave.Cli.Hubs;
using Nave.Protocol.Identities;
using Spectre.Console;

namespace Nave.Cli.Commands;

/// <summary><c>nave c2d receive</c>: acts as the device, over HTTPS, and shows what is queued for it.</summary>
internal sealed class CloudToDeviceReceive
{
    // As the Node SDK polls (spec/device-http.md 4).
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(1);

    private readonly DeviceTarget _target;
    private readonly Option<bool> _complete = new("--complete") { Description = "Complete each command: it is done, and its sender hears Success" };
    private readonly Option<bool> _abandon = new("--abandon") { Description = "Put it back at once; too many returns end in DeliveryCountExceeded" };
    private readonly Option<bool> _reject = new("--reject") { Description = "Reject each command: it is gone, and its sender hears Rejected" };
    private readonly Option<int> _lock = new("--lock") { Description = "Without a settlement, seconds until a command is visible again: 5 to 300", HelpName = "SECONDS", DefaultValueFactory = _ => 60 };
    private readonly Option<bool> _follow = new("--follow") { Description = "Go on until Ctrl+C, --count or --timeout" };
    private readonly Option<int?> _count = new("--count", "-n") { Description = "End after this many; exit code 1 if fewer came [1; no end with --follow]", HelpName = "N" };
    private readonly Option<string?> _timeout = new("--timeout") { Description = "Wait this long for commands: 30s, 5m [take what is there]", HelpName = "DURATION" };
    private readonly Option<bool> _json = Output.JsonOption();

    private CloudToDeviceReceive(Command command)
    {
        _target = DeviceTarget.AddTo(command);
        foreach (var option in new Option[] { _complete, _abandon, _reject, _lock, _follow, _count, _timeout, _json })
        {
            command.Options.Add(option);
        }

        _lock.Validators.Add(result => AddErrorIf(result, result.GetValueOrDefault<int>() is < 5 or > 300, "--lock must be from 5 to 300 seconds."));
        _count.Validators.Add(result => AddErrorIf(result, result.GetValueOrDefault<int?>() is < 1, "--count must be 1 or more."));
        command.Validators.Add(result =>
        {
            if (new[] { _complete, _abandon, _reject }.Count(option => result.GetValue(option)) > 1)
            {
                result.AddError("--complete, --abandon and --reject exclude each other.");
            }
            else if (result.GetValue(_abandon) && result.GetValue(_follow))
            {
                result.AddError("--abandon with --follow would take the same command again and again: use --count.");
            }
        });
    }

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new Command("receive", "Act as a device over HTTPS: take the commands queued for it, and settle them or leave them locked for a while");
        var hub = HubArguments.AddTo(command);
        var flags = new CloudToDeviceReceive(command);
        command.SetAction((parsed, stopping) => flags.RunAsync(hub.Resolve(parsed), parsed, stopping));
        return command;
    }

    private async Task<int> RunAsync(HubTarget hub, ParseResult parsed, CancellationToken stopping)
    {
        var id = _target.Read(parsed);
        var follows = parsed.GetValue(_follow);
        var timeout = CloudToDeviceCommand.ReadDuration("--timeout", parsed.GetValue(_timeout));
        var count = parsed.GetValue(_count) ?? (follows ? int.MaxValue : 1);
        CommandAnswer? settlement = parsed.GetValue(_complete) ? CommandAnswer.Complete
            : parsed.GetValue(_abandon) ? CommandAnswer.Abandon
            : parsed.GetValue(_reject) ? CommandAnswer.Reject
            : null;
        using var http = DeviceHttp.CreateClient(hub);
        var device = new DeviceHttp(http, hub, id, DeviceKey.Of(hub.Service), TimeProvider.System);
        var began = TimeProvider.System.GetTimestamp();
        var taken = 0;
        try
        {
            while (taken < count)
            {
                if (await device.ReceiveAsync(parsed.GetValue(_lock), stopping) is { } command)
                {
                    taken++;
                    Show(id, command, parsed.GetValue(_json));
                    if (settlement is { } what)
                    {
                        await device.SettleAsync(command.LockToken, what, stopping);
                    }

                    continue;
                }

                if (!follows && timeout is null || TimeProvider.System.GetElapsedTime(began) >= timeout)
                {
                    break;
                }

                await Task.Delay(Poll, TimeProvider.System, stopping);
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested && follows)
        {
            // The person has ended it.
        }

        return await EndAsync(id, taken, parsed.GetValue(_count), timeout);
    }

    private static async Task<int> EndAsync(IdentityId id, int taken, int? wanted, TimeSpan? timeout)
    {
        if (taken < wanted)
        {
            await Console.Error.WriteLineAsync($"{taken} of {wanted} commands came.");
            return Tool.Failed;
        }

        if (taken == 0)
        {
            await Console.Error.WriteLineAsync(
                timeout is null ? $"Nothing is queued for '{id}' that is not locked. --timeout or --follow waits." : $"Nothing came for '{id}'.");
        }

        return Tool.Done;
    }

    private static void Show(IdentityId id, ReceivedCommand command, bool asJson)
    {
        if (asJson)
        {
            Output.JsonLine(command.ToJson(id.ToString()));
            return;
        }

        var body = command.BodyText is { } text
            ? Output.Printable(text)
            : $"{command.Body.Length} bytes: {Convert.ToHexStringLower(command.Body.Span[..Math.Min(32, command.Body.Length)])}";
        var properties = string.Join(' ', command.Properties.Select(property => $"{property.Key}={property.Value}"));
        Output.Screen().MarkupLineInterpolated(
            $"[grey]#{command.SequenceNumber}[/] [blue]{Output.Printable(command.MessageId ?? "")}[/] {body} [green]{Output.Printable(properties)}[/] [grey]{command.LockToken}[/]");
    }

    private static void AddErrorIf(System.CommandLine.Parsing.SymbolResult result, bool isWrong, string message)
    {
        if (isWrong)
        {
            result.AddError(message);
        }
    }
}
