namespace Nave.Hub.Monitoring;

/// <summary>Section <c>Operations</c>: what is told of each category (spec/messaging-semantics.md 6).</summary>
public sealed class OperationsOptions
{
    /// <summary>Devices that connect and leave.</summary>
    public OperationsLevel Connections { get; set; } = OperationsLevel.Error;

    /// <summary>Commands that are refused.</summary>
    public OperationsLevel Commands { get; set; } = OperationsLevel.Error;
}

/// <summary>How much of a category is told.</summary>
public enum OperationsLevel
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>What failed.</summary>
    Error,

    /// <summary>What went well, too.</summary>
    Information,
}
