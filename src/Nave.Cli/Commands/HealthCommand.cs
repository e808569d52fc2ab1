using System.CommandLine;
using System.Text.Json.Nodes;
using Nave.Cli.Hubs;

namespace Nave.Cli.Commands;

/// <summary><c>nave health</c>: whether the hub lives and is ready; exit code 1 when not.</summary>
internal static class HealthCommand
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var command = new Command("health", "Is the hub alive and ready?");
        var hub = HubArguments.AddTo(command);
        var json = Output.JsonOption();
        command.Options.Add(json);
        command.SetAction(async (parsed, stopping) =>
        {
            var target = hub.Resolve(parsed);
            using var rest = new HubRest(target, TimeProvider.System);
            var live = await rest.GetTextAsync("/health/live", stopping);
            var ready = await rest.GetTextAsync("/health/ready", stopping);
            var (isLive, isReady) = (live.Status == 200, ready.Status == 200);
            if (parsed.GetValue(json))
            {
                Output.Json(new JsonObject
                {
                    ["host"] = target.Host,
                    ["live"] = isLive,
                    ["ready"] = isReady,
                    ["reason"] = isReady ? null : ready.Text,
                });
            }
            else
            {
                Output.Fields(
                [
                    ("hub", $"{target.Host}:{target.HttpsPort}"),
                    ("live", isLive ? "yes" : $"no ({live.Status})"),
                    ("ready", isReady ? "yes" : $"no: {ready.Text}"),
                ]);
            }

            return isLive && isReady ? Tool.Done : Tool.Failed;
        });
        return command;
    }
}
