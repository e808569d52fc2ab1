using System.Collections.Frozen;
using System.CommandLine;
using Microsoft.Extensions.Logging;
using Nave.Hub.Hosting;
using Nave.Hub.Monitoring;

namespace Nave.Bench.Servers;

/// <summary>
/// <c>unsynced-hub</c>: <c>nave up</c> but for the sync before each acknowledgement, to measure what that costs. It is not
/// durable, and <c>nave up</c> has no way to it.
/// </summary>
internal static class UnsyncedHubCommand
{
    public static Command Create()
    {
        var config = new Option<string>("--config") { Description = "the configuration file of nave up", Required = true };
        var command = new Command("unsynced-hub", "the hub without the sync before each acknowledgement, for comparison only: NOT durable")
        {
            config,
        };
        command.SetAction(async (parsed, stopping) =>
        {
            var options = OptionReader.Read(parsed.GetValue(config), FrozenDictionary<string, string>.Empty, []);
            using var log = new ConsoleLog(Console.Out, options.Log.Format, isTerminal: false, LogLevel.Warning, TimeProvider.System);
            await using var hub = await HubHost.StartAsync(options, new HubSurroundings { Log = log, SkipsLogSync = true }, stopping);
            await ServerOptions.WaitAsync(stopping);
            return 0;
        });
        return command;
    }
}
