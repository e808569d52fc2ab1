using System.CommandLine;

namespace Nave.Cli.Commands;

/// <summary><c>nave operations</c>: what went wrong with connections and commands, as events.</summary>
internal static class OperationsCommand
{
    // The operations entity has the name of the events endpoint with this behind it.
    private const string Suffix = "-operations";

    /// <summary><c>nave operations monitor</c>.</summary>
    public static Command Create() => new("operations", "Operations monitoring") { EventsCommand.CreateMonitor("Show operations events as they arrive", Suffix) };
}
