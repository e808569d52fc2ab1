using System.CommandLine;
using Nave.Cli.Commands;

namespace Nave.Cli;

/// <summary>
/// The command line as a whole: every command, and what an exit code means (0 done, 1 failed, 2 wrong usage).
/// </summary>
internal static class Tool
{
    /// <summary>Done.</summary>
    public const int Done = 0;

    /// <summary>Tried and failed.</summary>
    public const int Failed = 1;

    /// <summary>Called in a way it does not understand.</summary>
    public const int WrongUsage = 2;

    /// <summary>Runs one command line.</summary>
    public static async Task<int> RunAsync(string[] args)
    {
        var parsed = BuildRoot().Parse(args);
        if (parsed.Errors.Count > 0)
        {
            foreach (var error in parsed.Errors)
            {
                await Console.Error.WriteLineAsync(error.Message);
            }

            await Console.Error.WriteLineAsync($"Try: {CommandPath(parsed)} --help");
            return WrongUsage;
        }

        // Exceptions are ours to translate; a stop by signal is ours to carry out.
        using var signals = new StopSignals();
        try
        {
            return await parsed.InvokeAsync(
                new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }, signals.Asked);
        }
        catch (CommandFailedException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
            return e.IsUsage ? WrongUsage : Failed;
        }
        catch (OperationCanceledException) when (signals.Asked.IsCancellationRequested)
        {
            return Failed; // Interrupted before it was done.
        }
    }

    internal static RootCommand BuildRoot() => new("Nave: a self-hosted IoT hub that unmodified Azure IoT devices and back ends connect to")
    {
        UpCommand.Create(),
        DemoCommand.Create(),
        DeviceCommand.Create(),
        DeviceCommand.CreateForModules(),
        CredentialCommands.CreateConnectionString(),
        CredentialCommands.CreateToken(),
        PolicyCommand.Create(),
        AuthorityCommand.Create(),
        ConsumerGroupCommand.Create(),
        ConfigurationCommand.Create(),
        EventsCommand.Create(),
        HeartbeatCommand.Create(),
        WhyCommand.Create(),
        QuotaCommand.Create(),
        OperationsCommand.Create(),
        CloudToDeviceCommand.Create(),
        TwinCommand.Create(),
        MethodCommand.Create(),
        JobCommand.Create(),
        QueryCommand.Create(),
        SimulateCommand.Create(),
        TokensCommand.Create(),
        PskCommand.Create(),
        HealthCommand.Create(),
    };

    private static string CommandPath(ParseResult parsed)
    {
        var names = new List<string>();
        for (var result = parsed.CommandResult; result is not null; result = result.Parent as System.CommandLine.Parsing.CommandResult)
        {
            names.Insert(0, result.Command is RootCommand ? "nave" : result.Command.Name);
        }

        return string.Join(' ', names);
    }
}
