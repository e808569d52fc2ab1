namespace Nave.Hub.Hosting;

/// <summary>
/// The hub cannot start, for a reason that the operator can mend. The message says what, where and how to mend it.
/// Thrown on the way up only and caught once, by the command.
/// </summary>
public sealed class StartFailureException(string message, Exception? cause = null) : Exception(message, cause)
{
    /// <summary>Whether the way the program was called is wrong (exit code 2) rather than the state of things (1).</summary>
    public bool IsUsage { get; init; }
}
