namespace Nave.Hub.Events;

/// <summary>
/// Where events other than telemetry come from, named as routes and the option <c>Events:Sources</c> name them
/// (spec/query-language.md B4, spec/messaging-semantics.md 5). The numbers are stored: they never change.
/// </summary>
public enum ChangeSource
{
    /// <summary>A twin's tags, desired or reported properties have changed.</summary>
    TwinChangeEvents = 1,

    /// <summary>A device or module was created or deleted.</summary>
    DeviceLifecycleEvents = 2,

    /// <summary>A device or module has connected or gone.</summary>
    DeviceConnectionStateEvents = 3,

    /// <summary>A job's work on one device has begun or ended.</summary>
    DeviceJobLifecycleEvents = 4,

    /// <summary>A digital twin's properties have changed.</summary>
    DigitalTwinChangeEvents = 5,

    /// <summary>A device has gone from one heartbeat state into another.</summary>
    DeviceHeartbeatEvents = 6,
}
