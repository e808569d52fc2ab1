namespace Nave.Hub.Heartbeats;

/// <summary>A device has gone from one state into another.</summary>
/// <param name="DeviceId">Whose.</param>
/// <param name="Sequence">Rises with each transition of the device, over restarts too.</param>
/// <param name="State">The new state.</param>
/// <param name="Previous">The one before.</param>
/// <param name="Cause">Why.</param>
/// <param name="Since">When, UTC.</param>
/// <param name="LastSeen">When the device was last heard; null for never.</param>
/// <param name="Missed">How many periods it has missed.</param>
/// <param name="Terms">What was expected of it.</param>
internal sealed record HeartbeatTransition(
    string DeviceId,
    long Sequence,
    HeartbeatState State,
    HeartbeatState Previous,
    HeartbeatCause Cause,
    DateTimeOffset Since,
    DateTimeOffset? LastSeen,
    int Missed,
    HeartbeatTerms Terms)
{
    /// <summary>The period in force: the rule's, or what the device chose within it.</summary>
    public TimeSpan ExpectedEvery { get; init; }

    /// <summary>The group that falls silent together: a gateway, a site; null where none is known.</summary>
    public string? Group { get; init; }

    /// <summary>Whether it has changed so often of late that one alert says so.</summary>
    public bool IsFlapping { get; init; }

    /// <summary>What a refused device was refused with; null elsewhere.</summary>
    public string? Refusal { get; init; }

    /// <summary>Until when a sleeping device sleeps; null elsewhere.</summary>
    public DateTimeOffset? SleepUntil { get; init; }

    /// <summary>When its last heartbeat came; null for never.</summary>
    public DateTimeOffset? LastHeartbeat { get; init; }
}

/// <summary>What is known of one device now.</summary>
internal sealed record HeartbeatRecord(
    string DeviceId,
    HeartbeatState State,
    DateTimeOffset Since,
    DateTimeOffset? LastSeen,
    DateTimeOffset? LastHeartbeat,
    long Sequence,
    int Missed,
    TimeSpan ExpectedEvery,
    HeartbeatTerms Terms,
    string? Group,
    bool IsFlapping,
    string? Refusal);

/// <summary>What a device was in a former life of the hub.</summary>
internal readonly record struct StoredHeartbeat(HeartbeatState State, DateTimeOffset Since, DateTimeOffset? LastSeen, DateTimeOffset? LastHeartbeat, long Sequence, DateTimeOffset? SleepUntil);
