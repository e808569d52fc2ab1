namespace Nave.Hub.Heartbeats;

/// <summary>
/// What is expected of a device: the rule that won, worked out. Immutable and compared by value, so that a fleet under one
/// rule shares one.
/// </summary>
internal sealed record HeartbeatTerms
{
    /// <summary>Nobody waits for the device.</summary>
    public static HeartbeatTerms Unwatched { get; } = new() { Source = "none" };

    /// <summary>Which rule won: <c>tag</c>, <c>group:NAME</c>, <c>default</c> or <c>none</c>.</summary>
    public required string Source { get; init; }

    /// <summary>How often it is to be heard; zero where nobody waits for it.</summary>
    public TimeSpan Every { get; init; }

    /// <summary>How many periods it may miss.</summary>
    public int MissedAllowed { get; init; } = 2;

    /// <summary>What each deadline is given on top; null for a tenth of the period, at least 5 s.</summary>
    public TimeSpan? Grace { get; init; }

    /// <summary>How long a device that was never heard may take; null for ever.</summary>
    public TimeSpan? FirstContactWithin { get; init; }

    /// <summary>What proves life.</summary>
    public HeartbeatActivity Counts { get; init; }

    /// <summary>The longest period that the device may choose itself; null: none. A stolen device must not silence its own alarm.</summary>
    public TimeSpan? MaxEvery { get; init; }

    /// <summary>The longest sleep that it may announce; null: none.</summary>
    public TimeSpan? MaxSleep { get; init; }

    /// <summary>Whether anybody waits.</summary>
    public bool IsWatched => Every > TimeSpan.Zero;

    /// <summary>Silence after which it is late, in milliseconds.</summary>
    public int LateAfterMs(TimeSpan? every = null) => Clamp((every ?? Every) + GraceOf(every ?? Every));

    /// <summary>Silence after which it is offline, in milliseconds.</summary>
    public int OfflineAfterMs(TimeSpan? every = null) => Clamp(((every ?? Every) * MissedAllowed) + GraceOf(every ?? Every));

    private TimeSpan GraceOf(TimeSpan every) => Grace ?? TimeSpan.FromSeconds(Math.Max(5, every.TotalSeconds / 10));

    private static int Clamp(TimeSpan time) => (int)Math.Min(time.TotalMilliseconds, int.MaxValue);
}
