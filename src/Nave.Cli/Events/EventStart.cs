using System.Globalization;
using Nave.Hub.Hosting;

namespace Nave.Cli.Events;

/// <summary>From where events are read, as a filter of the events endpoint (spec/events-endpoint.md 3.1).</summary>
internal sealed record EventStart(string Selector)
{
    /// <summary>How it is written, for help.</summary>
    public const string Forms = "start, end, a time (2026-01-31T12:00:00Z), a duration ago (5m), a sequence number (#120)";

    /// <summary>Only what comes from now on.</summary>
    public static EventStart End { get; } = new("amqp.annotation.x-opt-offset > '@latest'");

    /// <summary>Everything that is kept.</summary>
    public static EventStart Beginning { get; } = new("amqp.annotation.x-opt-offset > '-1'");

    /// <summary>Reads what a person wrote; null when it is none of <see cref="Forms"/>.</summary>
    public static EventStart? TryParse(string text, TimeProvider time) =>
        text.Equals("end", StringComparison.OrdinalIgnoreCase) ? End
        : text.Equals("start", StringComparison.OrdinalIgnoreCase) ? Beginning
        : text.StartsWith('#') && long.TryParse(text.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? new EventStart($"amqp.annotation.x-opt-sequence-number >= '{number}'")
        : OptionTable.TryReadDuration(text) is { } ago ? After(time.GetUtcNow() - ago)
        : DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var moment) ? After(moment)
        : null;

    private static EventStart After(DateTimeOffset moment) =>
        new($"amqp.annotation.x-opt-enqueued-time > '{moment.ToUnixTimeMilliseconds()}'");
}
