namespace Nave.Hub.Heartbeats;

/// <summary>What the heartbeat says of a device (spec/heartbeat-monitoring.md 3.2). The numbers are stored: they never change.</summary>
internal enum HeartbeatState : byte
{
    /// <summary>Not heard since it was created or enabled.</summary>
    Unknown = 0,

    /// <summary>Heard within its period.</summary>
    Online = 1,

    /// <summary>Silent for longer than its period.</summary>
    Late = 2,

    /// <summary>Silent for longer than all the periods that it may miss.</summary>
    Offline = 3,

    /// <summary>Not online, and refused again and again when it tries.</summary>
    Failing = 4,

    /// <summary>Its identity is disabled.</summary>
    Disabled = 5,

    /// <summary>It has said until when it sleeps, and its rule lets it.</summary>
    Sleeping = 6,
}

/// <summary>Why a state was entered.</summary>
internal enum HeartbeatCause : byte
{
    /// <summary>The device was heard.</summary>
    Heard,

    /// <summary>It was heard with a message that it had made long before.</summary>
    Backlog,

    /// <summary>Its time ran out.</summary>
    Silence,

    /// <summary>It never came within the time for the first contact.</summary>
    NeverSeen,

    /// <summary>Its credentials were refused.</summary>
    Refused,

    /// <summary>It said that it would sleep.</summary>
    Sleep,

    /// <summary>Its identity was disabled or enabled.</summary>
    Status,

    /// <summary>Another rule, or a changed one.</summary>
    Rule,
}

/// <summary>Which activity proves life.</summary>
internal enum HeartbeatActivity : byte
{
    /// <summary>Telemetry, and heartbeats among it.</summary>
    Telemetry,

    /// <summary>Messages with the heartbeat property only.</summary>
    Heartbeats,

    /// <summary>Everything that a device does, connecting and pinging included.</summary>
    Any,
}

/// <summary>What a session notes of its device: bits, because several may fall into one scan.</summary>
[Flags]
internal enum HeardBits : byte
{
    None = 0,
    Telemetry = 1,
    Heartbeat = 2,
    Other = 4,
    Backlog = 8,
}

/// <summary>How states and causes are written.</summary>
internal static class HeartbeatWords
{
    private static readonly string[] States = [.. Enum.GetNames<HeartbeatState>().Select(name => name.ToLowerInvariant())];

    /// <summary>The state's name.</summary>
    public static string Of(HeartbeatState state) => States[(int)state];

    /// <summary>The cause's name.</summary>
    public static string Of(HeartbeatCause cause) => cause switch
    {
        HeartbeatCause.NeverSeen => "neverSeen",
        _ => cause.ToString().ToLowerInvariant(),
    };

    /// <summary>The state of that name, or null.</summary>
    public static HeartbeatState? Parse(string name) => Array.IndexOf(States, name.ToLowerInvariant()) is var at and >= 0 ? (HeartbeatState)at : null;
}
