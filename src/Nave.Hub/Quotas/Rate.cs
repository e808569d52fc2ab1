using System.Globalization;

namespace Nave.Hub.Quotas;

/// <summary>
/// So many in a period: <c>100/s</c>, <c>20/min</c>. What a period allows may also come at once: that is the burst.
/// </summary>
internal readonly record struct Rate(double Amount, TimeSpan Period)
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    /// <summary>What comes back each second.</summary>
    public double PerSecond => Amount / Period.TotalSeconds;

    /// <summary>So many a second.</summary>
    public static Rate EachSecond(double amount) => new(amount, Second);

    /// <summary>So many a minute.</summary>
    public static Rate EachMinute(double amount) => new(amount, Minute);

    /// <summary>Reads <c>100/s</c> or <c>100/min</c>; what is none throws <see cref="FormatException"/>.</summary>
    public static Rate Parse(string text)
    {
        var parts = text.Split('/', StringSplitOptions.TrimEntries);
        TimeSpan? period = parts is [_, var unit] ? unit switch
        {
            "s" => Second,
            "min" => Minute,
            _ => null,
        } : null;
        return period is { } length && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var amount) && amount >= 1
            ? new Rate(amount, length)
            : throw new FormatException($"'{text}' is not a rate: write 100/s, 20/min or off");
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Amount:0.##}/{(Period == Minute ? "min" : "s")}");
}
