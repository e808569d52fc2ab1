using System.CommandLine;
using System.Text.Json.Nodes;
using Nave.Cli.Hubs;
using Nave.Hub.Hosting;

namespace Nave.Cli.Commands;

/// <summary><c>nave c2d</c>: cloud-to-device commands, from both ends.</summary>
internal static class CloudToDeviceCommand
{
    /// <summary><c>nave c2d send|receive|purge|feedback</c>.</summary>
    public static Command Create() => new("c2d", "Cloud-to-device commands")
    {
        CloudToDeviceSend.Create(),
        CloudToDeviceReceive.Create(),
        Purge(),
        CloudToDeviceFeedback.Create(),
    };

    /// <summary>Reads the value of an option that is a duration.</summary>
    public static TimeSpan? ReadDuration(string option, string? text) => text is null
        ? null
        : OptionTable.TryReadDuration(text)
            ?? throw new CommandFailedException($"{option}: '{text}' is not a duration: write 30s, 5m or 1h.", isUsage: true);

    private static Command Purge()
    {
        var command = new Command("purge", "Empty a device's queue and say how many commands were in it. Senders that asked for it get the feedback Purged");
        var hub = HubArguments.AddTo(command);
        var target = DeviceTarget.AddTo(command);
        var json = Output.JsonOption();
        command.Options.Add(json);
        command.SetAction(async (parsed, stopping) =>
        {
            using var rest = new HubRest(hub.Resolve(parsed), TimeProvider.System);
            var id = target.Read(parsed);
            var answer = await rest.DeleteAsync(HubRest.PathOf(id.Device.Value, id.Module?.Value) + "/commands", stopping);
            if (parsed.GetValue(json))
            {
                Output.Json(answer ?? new JsonObject());
            }
            else
            {
                await Console.Out.WriteLineAsync(answer?["totalMessagesPurged"]?.ToString() ?? "0");
            }

            return Tool.Done;
        });
        return command;
    }
}
