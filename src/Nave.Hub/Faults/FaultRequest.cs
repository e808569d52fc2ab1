using System.Globalization;

namespace Nave.Hub.Faults;

/// <summary>
/// A device's wish for a fault of its own connection, as application properties of a telemetry message
/// (spec/sdk-gotchas.md 6). Means nothing unless <c>Testing:FaultInjection</c> is on.
/// </summary>
/// <param name="Kind">Which fault.</param>
/// <param name="Reason">The device's own words, for the log and for error descriptions; cut to <see cref="MaxReasonLength"/>.</param>
/// <param name="Delay">From the message to the fault, at most <see cref="MaxTime"/>.</param>
/// <param name="Duration">How long refusals go on, at most <see cref="MaxTime"/>.</param>
internal sealed record FaultRequest(FaultKind Kind, string Reason, TimeSpan Delay, TimeSpan Duration)
{
    /// <summary>Longest <see cref="Reason"/>, in characters.</summary>
    public const int MaxReasonLength = 128;

    private const string TypeName = "AzIoTHub_FaultOperationType";
    private const string ReasonName = "AzIoTHub_FaultOperationCloseReason";
    private const string DelayName = "AzIoTHub_FaultOperationDelayInSecs";
    private const string DurationName = "AzIoTHub_FaultOperationDurationInSecs";

    // For a duration that is missing or null, as Node leaves it.
    private static readonly TimeSpan DefaultDuration = TimeSpan.FromSeconds(5);

    /// <summary>Longest delay and duration: nobody tests longer, and a timer waits for each.</summary>
    public static TimeSpan MaxTime { get; } = TimeSpan.FromMinutes(10);

    /// <summary>Whether telemetry is refused for a while, instead of a connection or link being cut.</summary>
    public bool IsRefusal => Kind is FaultKind.InvokeThrottling or FaultKind.InvokeMaxMessageQuota or FaultKind.InvokeAuthError;

    /// <summary>Reads the wish; null where there is none, or one that is not known: then the message is plain telemetry.</summary>
    public static FaultRequest? TryRead(IReadOnlyList<KeyValuePair<string, string?>> properties)
    {
        // Names are exact; HTTP clients write them as headers, whose case is lost.
        if (Find(properties, TypeName) is not { } type
            || !Enum.TryParse<FaultKind>(type, ignoreCase: true, out var kind) || !Enum.IsDefined(kind) || char.IsAsciiDigit(type[0]))
        {
            return null;
        }

        var reason = Find(properties, ReasonName) ?? "";
        return new FaultRequest(
            kind,
            reason.Length <= MaxReasonLength ? reason : reason[..MaxReasonLength],
            ReadSeconds(Find(properties, DelayName)) ?? TimeSpan.Zero,
            ReadSeconds(Find(properties, DurationName)) ?? DefaultDuration);
    }

    private static string? Find(IReadOnlyList<KeyValuePair<string, string?>> properties, string name)
    {
        for (var i = 0; i < properties.Count; i++)
        {
            if (properties[i].Key.Equals(name, StringComparison.OrdinalIgnoreCase))
            {
                return properties[i].Value is { Length: > 0 } value ? value : null;
            }
        }

        return null;
    }

    private static TimeSpan? ReadSeconds(string? text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) && seconds >= 0
            ? TimeSpan.FromSeconds(Math.Min(seconds, MaxTime.TotalSeconds))
            : null;
}
