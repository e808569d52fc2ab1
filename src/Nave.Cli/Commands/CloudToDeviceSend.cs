using System.CommandLine;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Nave.Cli.CloudToDevice;
using Nave.Cli.Hubs;
using Nave.Hub.Hosting;

namespace Nave.Cli.Commands;

/// <summary><c>nave c2d send</c>: a back end queues a command, and may wait for what became of it.</summary>
internal sealed class CloudToDeviceSend
{
    private const string Standard = "-";

    private readonly DeviceTarget _target;
    private readonly Argument<string?> _body = new("BODY")
    {
        Description = "The command's body; without it and --file, standard input",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private readonly Option<string?> _file = new("--file", "-f") { Description = "Take the body from a file; - for standard input", HelpName = "FILE" };
    private readonly Option<string?> _ack = new("--ack", "-a") { Description = "Which outcomes give feedback: none, positive, negative or full [none; full with --wait-feedback]", HelpName = "OUTCOMES" };
    private readonly Option<string?> _expiry = new("--expiry", "-e") { Description = "When it is given up: in 30s, 5m, 2h, or at a time (2026-01-31T12:00:00Z) [the hub's default]", HelpName = "WHEN" };
    private readonly Option<string[]> _property = new("--property", "-p") { Description = "An application property; may be given several times", HelpName = "NAME=VALUE" };
    private readonly Option<string?> _messageId = new("--message-id") { Description = "What feedback refers to [a random one]", HelpName = "ID" };
    private readonly Option<string?> _correlationId = new("--correlation-id") { Description = "What it answers, in your own words", HelpName = "ID" };
    private readonly Option<string?> _contentType = new("--content-type") { Description = "What the body is, such as application/json", HelpName = "TYPE" };
    private readonly Option<string?> _contentEncoding = new("--content-encoding") { Description = "How it is encoded, such as utf-8", HelpName = "ENCODING" };
    private readonly Option<bool> _wait = new("--wait-feedback", "-w") { Description = "Wait for what became of it; exit code 1 unless the device completed it" };
    private readonly Option<string> _timeout = new("--timeout") { Description = "How long to wait for feedback: 30s, 5m", HelpName = "DURATION", DefaultValueFactory = _ => "2m" };
    private readonly Option<bool> _json = Output.JsonOption();

    private CloudToDeviceSend(Command command)
    {
        _target = DeviceTarget.AddTo(command);
        _ack.AcceptOnlyFromAmong("none", "positive", "negative", "full");
        command.Arguments.Add(_body);
        foreach (var option in new Option[]
            { _file, _ack, _expiry, _property, _messageId, _correlationId, _contentType, _contentEncoding, _wait, _timeout, _json })
        {
            command.Options.Add(option);
        }
    }

    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new Command("send", "Queue a command for a device and print its message id. A device that is away gets it when it comes back");
        var hub = HubArguments.AddTo(command);
        var flags = new CloudToDeviceSend(command);
        command.SetAction((parsed, stopping) => flags.RunAsync(hub.Resolve(parsed), parsed, stopping));
        return command;
    }

    /// <summary>When a command expires that was given this word: a duration from now, or a moment.</summary>
    public static DateTimeOffset ReadExpiry(string text, DateTimeOffset now) =>
        OptionTable.TryReadDuration(text) is { } duration ? now + duration
        : DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var moment) ? moment
        : throw new CommandFailedException($"--expiry: '{text}' is neither a duration (30s, 5m, 2h) nor a time (2026-01-31T12:00:00Z).", isUsage: true);

    private async Task<int> RunAsync(HubTarget hub, ParseResult parsed, CancellationToken stopping)
    {
        var waits = parsed.GetValue(_wait);
        var timeout = CloudToDeviceCommand.ReadDuration("--timeout", parsed.GetValue(_timeout))!.Value;
        var command = new OutgoingCommand
        {
            Target = _target.Read(parsed),
            MessageId = parsed.GetValue(_messageId) ?? RandomNumberGenerator.GetHexString(32, lowercase: true),
            CorrelationId = parsed.GetValue(_correlationId),
            ContentType = parsed.GetValue(_contentType),
            ContentEncoding = parsed.GetValue(_contentEncoding),
            Acknowledgement = parsed.GetValue(_ack) ?? (waits ? "full" : "none"),
            Expiry = parsed.GetValue(_expiry) is { } expiry ? ReadExpiry(expiry, TimeProvider.System.GetUtcNow()) : null,
            Properties = [.. (parsed.GetValue(_property) ?? []).Select(ReadProperty)],
            Body = await ReadBodyAsync(parsed, stopping),
        };
        if (waits && command.Acknowledgement == "none")
        {
            throw new CommandFailedException("--wait-feedback waits for ever with --ack none: ask for full, positive or negative.", isUsage: true);
        }

        await using var client = await BackEndClient.ConnectAsync(hub, TimeProvider.System);
        if (waits)
        {
            client.OpenFeedback(); // Before it is sent: a device that is quick is not missed.
        }

        await client.SendAsync(command);
        var asJson = parsed.GetValue(_json);
        if (!asJson)
        {
            await Console.Out.WriteLineAsync(command.MessageId);
        }

        if (!waits)
        {
            PrintJson(asJson, command, null);
            return Tool.Done;
        }

        var feedback = await client.WaitForFeedbackAsync(command.MessageId, timeout, stopping);
        PrintJson(asJson, command, feedback);
        if (feedback is null)
        {
            await Console.Error.WriteLineAsync($"No feedback within {timeout}. The command is queued all the same; 'nave c2d feedback' shows what comes later.");
        }
        else if (!asJson)
        {
            await Console.Out.WriteLineAsync(Output.Printable(feedback.Outcome));
        }

        return feedback is { IsSuccess: true } ? Tool.Done : Tool.Failed;
    }

    private async Task<byte[]> ReadBodyAsync(ParseResult parsed, CancellationToken stopping)
    {
        var text = parsed.GetValue(_body);
        var file = parsed.GetValue(_file);
        if (text is not null)
        {
            return file is null ? Encoding.UTF8.GetBytes(text) : throw new CommandFailedException("Give BODY or --file, not both.", isUsage: true);
        }

        if (file is null && !Console.IsInputRedirected)
        {
            throw new CommandFailedException("What is to be sent? Give BODY (\"\" for none), --file FILE, or pipe it in.", isUsage: true);
        }

        try
        {
            await using var input = file is null or Standard ? Console.OpenStandardInput() : File.OpenRead(file);
            using var body = new MemoryStream();
            await input.CopyToAsync(body, stopping);
            return body.ToArray();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandFailedException($"The body cannot be read: {e.Message}");
        }
    }

    private static void PrintJson(bool asJson, OutgoingCommand command, Feedback? feedback)
    {
        if (!asJson)
        {
            return;
        }

        var json = new JsonObject { ["deviceId"] = command.Target.Device.Value, ["messageId"] = command.MessageId };
        if (command.Target.Module is { } module)
        {
            json["moduleId"] = module.Value;
        }

        if (feedback is not null)
        {
            json["feedback"] = feedback.Json.DeepClone();
        }

        Output.JsonLine(json);
    }

    private static KeyValuePair<string, string> ReadProperty(string text) =>
        text.IndexOf('=', StringComparison.Ordinal) is var at and > 0
            ? KeyValuePair.Create(text[..at], text[(at + 1)..])
            : throw new CommandFailedException($"--property: '{text}' is not of the form NAME=VALUE.", isUsage: true);
}
