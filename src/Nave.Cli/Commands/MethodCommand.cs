using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Nave.Cli.Hubs;

namespace Nave.Cli.Commands;

/// <summary><c>nave method invoke</c>: calls a direct method of a device or module and shows its answer.</summary>
internal sealed class MethodCommand
{
    // The hub answers before both time-outs are over; this is for the way.
    private static readonly TimeSpan Margin = TimeSpan.FromSeconds(10);

    private readonly DeviceTarget _target;
    private readonly Argument<string> _name = new("NAME") { Description = "The method's name" };
    private readonly Option<string?> _payload = new("--payload", "-p") { Description = "What it is given: JSON, @FILE, or - for standard input [null]", HelpName = "JSON" };
    private readonly Option<string?> _timeout = new("--timeout") { Description = "How long the device may take to answer: 5s to 5m [30s]", HelpName = "DURATION" };
    private readonly Option<string?> _connectTimeout = new("--connect-timeout") { Description = "How long to wait for a device that is away: up to 5m [0s]", HelpName = "DURATION" };
    private readonly Option<bool> _json = Output.JsonOption();

    private MethodCommand(Command command)
    {
        _target = DeviceTarget.AddTo(command);
        command.Arguments.Add(_name);
        foreach (var option in new Option[] { _payload, _timeout, _connectTimeout, _json })
        {
            command.Options.Add(option);
        }
    }

    /// <summary><c>nave method</c>.</summary>
    public static Command Create()
    {
        var invoke = new Command("invoke", "Call a method of a device and print its answer. The exit code is 0 when the device answered, whatever its status");
        var hub = HubArguments.AddTo(invoke);
        var flags = new MethodCommand(invoke);
        invoke.SetAction((parsed, stopping) => flags.RunAsync(hub.Resolve(parsed), parsed, stopping));
        return new Command("method", "Direct methods") { invoke };
    }

    private async Task<int> RunAsync(HubTarget hub, ParseResult parsed, CancellationToken stopping)
    {
        var body = new JsonObject { ["methodName"] = parsed.GetRequiredValue(_name), ["payload"] = await ReadPayloadAsync(parsed.GetValue(_payload), stopping) };
        var timeout = SetSeconds(body, "responseTimeoutInSeconds", "--timeout", parsed.GetValue(_timeout)) ?? TimeSpan.FromSeconds(30);
        var connectTimeout = SetSeconds(body, "connectTimeoutInSeconds", "--connect-timeout", parsed.GetValue(_connectTimeout)) ?? TimeSpan.Zero;

        using var rest = new HubRest(hub, TimeProvider.System, timeout + connectTimeout + Margin);
        var answer = await rest.PostAsync(PathOf(parsed), body, stopping);
        if (parsed.GetValue(_json))
        {
            Output.Json(answer);
        }
        else
        {
            Output.Fields([("status", answer?["status"]?.ToJsonString()), ("payload", answer?["payload"]?.ToJsonString() ?? "null")]);
        }

        return Tool.Done;
    }

    private string PathOf(ParseResult parsed)
    {
        var id = _target.Read(parsed);
        return $"/twins/{Uri.EscapeDataString(id.Device.Value)}"
            + (id.Module is { } module ? $"/modules/{Uri.EscapeDataString(module.Value)}" : "") + "/methods";
    }

    // The hub counts in whole seconds and judges the range.
    private static TimeSpan? SetSeconds(JsonObject body, string member, string option, string? text)
    {
        if (CloudToDeviceCommand.ReadDuration(option, text) is not { } duration)
        {
            return null;
        }

        body[member] = (int)Math.Min(Math.Ceiling(duration.TotalSeconds), int.MaxValue);
        return duration < TimeSpan.FromDays(1) ? duration : TimeSpan.FromDays(1);
    }

    private static async Task<JsonNode?> ReadPayloadAsync(string? text, CancellationToken stopping)
    {
        try
        {
            var json = text switch
            {
                null => "null",
                "-" => await Console.In.ReadToEndAsync(stopping),
                ['@', .. var file] => await File.ReadAllTextAsync(file, stopping),
                _ => text,
            };
            return JsonNode.Parse(json);
        }
        catch (JsonException e)
        {
            throw new CommandFailedException($"--payload is not JSON: {e.Message} A text needs its quotes: '\"on\"'.", isUsage: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandFailedException($"The payload cannot be read: {e.Message}");
        }
    }
}
