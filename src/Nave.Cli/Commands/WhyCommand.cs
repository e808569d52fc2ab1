using System.CommandLine;
using System.Text.Json.Nodes;

namespace Nave.Cli.Commands;

/// <summary><c>nave why</c>: the last decisions about a device or an address, each refusal in words that lead to the mend.</summary>
internal static class WhyCommand
{
    /// <summary><c>nave why [DEVICE] [--address IP] [--recent]</c>.</summary>
    public static Command Create()
    {
        var command = new Command("why", "Why a device cannot connect: the hub's last decisions (local hub, operator port)");
        var device = new Argument<string?>("DEVICE") { Description = "Its id, known or unknown; DEVICE/MODULE for a module", Arity = ArgumentArity.ZeroOrOne };
        var address = new Option<string?>("--address") { Description = "About an address: a TLS failure has no device yet", HelpName = "IP" };
        var recent = new Option<bool>("--recent") { Description = "The last refusals of all" };
        command.Arguments.Add(device);
        command.Options.Add(address);
        command.Options.Add(recent);
        command.Validators.Add(result =>
        {
            var asked = (result.GetValue(device) is null ? 0 : 1) + (result.GetValue(address) is null ? 0 : 1) + (result.GetValue(recent) ? 1 : 0);
            if (asked != 1)
            {
                result.AddError("Give a DEVICE, --address or --recent.");
            }
        });
        OperatorCommand.OnSend(
            command, HttpMethod.Get,
            parsed => parsed.GetValue(device) is { } id ? $"why?device={Uri.EscapeDataString(id)}"
                : parsed.GetValue(address) is { } ip ? $"why?address={Uri.EscapeDataString(ip)}" : "why",
            _ => null,
            Show);
        return command;
    }

    private static void Show(JsonNode? decisions)
    {
        if (decisions is not JsonArray { Count: > 0 } list)
        {
            Console.Out.WriteLine("Nothing: no attempt has reached this hub since it started. Look at the host name, the port and the network.");
            return;
        }

        foreach (var decision in list)
        {
            var count = (long?)decision?["count"] ?? 1;
            var who = string.Join(' ', new[] { Output.TextOf(decision, "device"), Output.TextOf(decision, "address") is { } from ? $"from {from}" : null }.Where(part => part is not null));
            Console.Out.WriteLine(Output.Printable(
                $"{Output.TextOf(decision, "at")}  {Output.TextOf(decision, "what"),-15} {who}{(count > 1 ? $" ({count} times since {Output.TextOf(decision, "first")})" : "")}"));
            Console.Out.WriteLine(Output.Printable($"    {(Output.TextOf(decision, "code") is { } code ? code + ": " : "")}{Output.TextOf(decision, "explanation")}"));
            if (Output.TextOf(decision, "hint") is { } hint)
            {
                Console.Out.WriteLine(Output.Printable($"    To mend it: {hint}"));
            }
        }
    }
}
