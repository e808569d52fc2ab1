using System.CommandLine;
using System.Text.Json.Nodes;

namespace Nave.Cli.Commands;

/// <summary><c>nave quota</c>: the hub's quota and limits, and how near they are.</summary>
internal static class QuotaCommand
{
    /// <summary><c>nave quota show</c>.</summary>
    public static Command Create() => new("quota", "Quota of the day and throttles (local hub, operator port)") { Show() };

    private static Command Show()
    {
        var command = new Command("show", "Show the limits, what of them is used, and what was refused");
        OperatorCommand.OnGet(command, "quota", quota =>
        {
            if (quota?["day"] is JsonObject day)
            {
                Output.Fields(
                [
                    ("tier", $"{Output.TextOf(quota, "tier")} x {Output.TextOf(quota, "units")}"),
                    ("messages of a day", Output.TextOf(day, "limit") ?? "no limit"),
                    ("used today", Output.TextOf(day, "used")),
                    ("left", Output.TextOf(day, "left")),
                    ("state", Output.TextOf(day, "state")),
                    ("a message is", Output.TextOf(day, "blockBytes") + " bytes"),
                    ("comes back at", Output.TextOf(day, "resetsAt")),
                    ("refused without", Output.TextOf(day, "refused")),
                ]);
                Output.Table(
                    ["operation", "limit", "state", "used %", "waiting", "passed", "delayed", "refused", "messages today"],
                    (quota["limits"] as JsonArray ?? []).Select(limit => (IReadOnlyList<string?>)
                    [
                        Output.TextOf(limit, "operation"), Output.TextOf(limit, "limit"), Output.TextOf(limit, "state"), Output.TextOf(limit, "usedPercent"),
                        Output.TextOf(limit, "waiting"), Output.TextOf(limit, "passed"), Output.TextOf(limit, "delayed"), Output.TextOf(limit, "refused"),
                        Output.TextOf(day["byOperation"], Output.TextOf(limit, "operation") ?? ""),
                    ]));
            }
            else
            {
                Console.Out.WriteLine("No quota and no throttles: no Quota:Tier is set.");
            }

            Output.Table(
                ["one device", "limit", "option", "refused"],
                (quota?["devices"] as JsonArray ?? []).Select(limit => (IReadOnlyList<string?>)
                    [Output.TextOf(limit, "what"), Output.TextOf(limit, "limit"), Output.TextOf(limit, "option"), Output.TextOf(limit, "refused")]));
        });
        return command;
    }
}
