using System.Globalization;

namespace Nave.Hub.Heartbeats;

/// <summary>
/// What the properties of a telemetry message say to the heartbeat monitor (spec/heartbeat-monitoring.md 3.1). Read once
/// for each distinct set of properties.
/// </summary>
/// <param name="IsHeartbeat">Whether the message is marked: <c>heartbeat</c> true or 1, or <c>messageType</c> heartbeat.</param>
/// <param name="Every">The period that the device chooses itself, property <c>every</c> in seconds.</param>
/// <param name="SleepUntil">Property <c>sleepUntil</c>, ISO 8601.</param>
/// <param name="CreatedAt">When the device made the message, where it says so.</param>
internal sealed record HeartbeatSignal(bool IsHeartbeat, TimeSpan? Every, DateTimeOffset? SleepUntil, DateTimeOffset? CreatedAt)
{
    // An older message waited somewhere: a sign of a broken connection, not of a slow one.
    private static readonly TimeSpan BacklogAge = TimeSpan.FromSeconds(60);

    private const int MaxEverySeconds = 366 * 86_400;

    /// <summary>Null where the properties say nothing.</summary>
    public static HeartbeatSignal? TryRead(IReadOnlyList<KeyValuePair<string, string?>> application, string? creationTime)
    {
        var isHeartbeat = false;
        TimeSpan? every = null;
        DateTimeOffset? sleepUntil = null;
        foreach (var (name, value) in application)
        {
            switch (name)
            {
                case "heartbeat":
                    isHeartbeat |= value is "1" || "true".Equals(value, StringComparison.OrdinalIgnoreCase);
                    break;
                case "messageType":
                    isHeartbeat |= "heartbeat".Equals(value, StringComparison.OrdinalIgnoreCase);
                    break;
                case "every" when double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) && seconds is > 0 and <= MaxEverySeconds:
                    every = TimeSpan.FromSeconds(seconds);
                    break;
                case "sleepUntil":
                    sleepUntil = Time(value);
                    break;
            }
        }

        // Only a heartbeat chooses: 'every' may be anybody's word for something else.
        var created = creationTime is null ? null : Time(creationTime);
        return isHeartbeat ? new HeartbeatSignal(true, every, sleepUntil, created)
            : created is not null ? new HeartbeatSignal(false, null, null, created)
            : null;
    }

    /// <summary>What a session notes of a message with it.</summary>
    public HeardBits Bits(DateTimeOffset now) =>
        HeardBits.Telemetry | (IsHeartbeat ? HeardBits.Heartbeat : 0) | (CreatedAt is { } at && now - at > BacklogAge ? HeardBits.Backlog : 0);

    private static DateTimeOffset? Time(string? text) => DateTimeOffset.TryParse(
        text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time) ? time : null;
}
