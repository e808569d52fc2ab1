namespace Nave.Cli;

/// <summary>
/// A command cannot do what it was asked. The message says what, where and how to mend it; caught once, by the tool.
/// </summary>
internal sealed class CommandFailedException(string message, bool isUsage = false) : Exception(message)
{
    /// <summary>Whether the command was called wrongly (exit code 2) rather than failed (1).</summary>
    public bool IsUsage { get; } = isUsage;
}
