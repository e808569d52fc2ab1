using System.Globalization;

namespace Nave.Hub.Hosting;

/// <summary>How durations and sizes are written.</summary>
internal static class OptionText
{
    private static readonly (string Unit, TimeSpan Length)[] Durations =
    [
        ("ms", TimeSpan.FromMilliseconds(1)), ("s", TimeSpan.FromSeconds(1)), ("m", TimeSpan.FromMinutes(1)),
        ("h", TimeSpan.FromHours(1)), ("d", TimeSpan.FromDays(1)),
    ];

    private static readonly (string Unit, long Bytes)[] Sizes =
        [("KB", 1L << 10), ("MB", 1L << 20), ("GB", 1L << 30), ("TB", 1L << 40), ("", 1)];

    /// <summary>Reads <c>500ms</c>, <c>30s</c>, <c>5m</c>, <c>12h</c>, <c>1d</c>, <c>0</c> or <c>hh:mm:ss</c>; null when it is none.</summary>
    public static TimeSpan? TryDuration(string text)
    {
        foreach (var (unit, length) in Durations)
        {
            if (text.EndsWith(unit, StringComparison.OrdinalIgnoreCase) && TryNumber(text[..^unit.Length]) is { } number)
            {
                return number * length.Ticks > TimeSpan.MaxValue.Ticks / 2 ? null : length * (double)number;
            }
        }

        return text == "0" ? TimeSpan.Zero
            : text.Contains(':') && TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var span) && span >= TimeSpan.Zero ? span
            : null;
    }

    /// <summary>Reads <c>1000</c>, <c>512KB</c>, <c>64MB</c>, <c>10GB</c>; null when it is none.</summary>
    public static long? TryBytes(string text)
    {
        foreach (var (unit, bytes) in Sizes)
        {
            if (text.EndsWith(unit, StringComparison.OrdinalIgnoreCase) && TryNumber(text[..^unit.Length].TrimEnd()) is { } number)
            {
                return number > long.MaxValue / bytes ? null : (long)(number * bytes);
            }
        }

        return null;
    }

    private static decimal? TryNumber(string text) =>
        decimal.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            && number < 1_000_000_000_000_000 ? number : null;
}
