using System.CommandLine;
using Nave.Hub.Hosting;
using Nave.Hub.Monitoring;

namespace Nave.Cli.Commands;

/// <summary><c>nave up</c>: runs the hub in this process until it is told to stop.</summary>
internal static class UpCommand
{
    /// <summary>The command, with a flag for each option of <see cref="OptionTable"/> that has one.</summary>
    public static Command Create()
    {
        var config = SettingArguments.ConfigOption();
        var set = SettingArguments.SetOption();
        var flags = OptionTable.Rows.Where(row => row.Flag is not null).Select(row => (Row: row, Option: FlagOf(row))).ToList();
        var command = new Command("up", "Start the hub");
        foreach (var (_, option) in flags)
        {
            command.Options.Add(option);
        }

        command.Options.Add(config);
        command.Options.Add(set);
        command.SetAction((parsed, stopping) => RunAsync(
            parsed.GetValue(config)?.FullName,
            [
                .. SettingArguments.OfFlags(parsed, flags.Select(flag => (flag.Row.Name, flag.Row.Flag!, flag.Option))),
                .. SettingArguments.OfAssignments(parsed.GetValue(set)),
            ],
            stopping));
        return command;
    }

    private static Option FlagOf(OptionRow row)
    {
        var description = $"{row.Meaning} [{row.Default}]";
        return row.IsSwitch ? new Option<bool>(row.Flag!) { Description = description }
            : row.IsList ? new Option<string[]>(row.Flag!) { Description = description, HelpName = row.Name, Arity = ArgumentArity.OneOrMore }
            : new Option<string?>(row.Flag!) { Description = description, HelpName = row.Name };
    }

    private static async Task<int> RunAsync(string? configurationFile, IReadOnlyList<OptionSetting> flags, CancellationToken stopping)
    {
        try
        {
            var options = OptionReader.Read(configurationFile, Environment.GetEnvironmentVariables(), flags);
            using var log = new ConsoleLog(
                Console.Out, options.Log.Format, isTerminal: !Console.IsOutputRedirected, options.Log.Level, TimeProvider.System);
            var surroundings = new HubSurroundings { Log = log };
            await using var hub = await HubHost.StartAsync(options, surroundings, stopping);
            if (options.Log.Format is ConsoleFormat.Text)
            {
                await Console.Out.WriteLineAsync(Welcome.Text(hub.Connection, hub.DataDirectory));
            }

            await StopSignals.WaitAsync(stopping);
            await hub.StopAsync();
            return Tool.Done;
        }
        catch (StartFailureException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return e.IsUsage ? Tool.WrongUsage : Tool.Failed;
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return Tool.Done; // Told to stop while still starting.
        }
    }
}
