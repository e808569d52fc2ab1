namespace Nave.Hub.Monitoring;

/// <summary>Section <c>Operations</c>: what is told of each category (spec/messaging-semantics.md 6).</summary>
public sealed class OperationsOptions
{
    /// <summary>Devices that connect and leave.</summary>
    public OperationsLevel Connections { get; set; } = OperationsLevel.Error;

    /// <summary>Commands that are refused, expire, or come back too often.</summary>
    public OperationsLevel Commands { get; set; } = OperationsLevel.Error;

    /// <summary>Messages of devices that are refused.</summary>
    public OperationsLevel Telemetry { get; set; } = OperationsLevel.Error;

    /// <summary>Requests about identities.</summary>
    public OperationsLevel Identities { get; set; } = OperationsLevel.Error;

    internal OperationsLevel LevelOf(OperationsCategory category) => category switch
    {
        OperationsCategory.Connections => Connections,
        OperationsCategory.C2DCommands => Commands,
        OperationsCategory.DeviceTelemetry => Telemetry,
        OperationsCategory.DeviceIdentityOperations => Identities,
        _ => OperationsLevel.None,
    };
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
