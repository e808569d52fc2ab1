using System.Globalization;

namespace Nave.Bench.Scenarios;

/// <summary>A line of the table of demands (docs/performance.md, "Demands"), and whether this run met it.</summary>
/// <param name="Row">Its number there.</param>
/// <param name="What">The measure.</param>
/// <param name="Must">What is demanded.</param>
/// <param name="Aim">Where we are going; null where the row has none.</param>
internal sealed record Demand(int Row, string What, Bar Must, Bar? Aim = null)
{
    public override string ToString() => $"row {Row}, {What}: must {Must}" + (Aim is null ? "" : $"; aim {Aim}");
}

/// <summary>A limit and the figure that is held against it.</summary>
/// <param name="Figure">Null where a server that it needs was not measured.</param>
/// <param name="IsAtMost">Otherwise the figure has to be at least the limit.</param>
/// <param name="Unit">Of both: "ms", "x mosquitto".</param>
internal sealed record Bar(double? Figure, double Limit, bool IsAtMost, string Unit)
{
    public bool? IsMet => Figure is { } figure ? (IsAtMost ? figure <= Limit : figure >= Limit) : null;

    public static Bar AtMost(double? figure, double limit, string unit) => new(figure, limit, IsAtMost: true, unit);

    public static Bar AtLeast(double? figure, double limit, string unit) => new(figure, limit, IsAtMost: false, unit);

    /// <summary>At most so many times what another server has: a ratio of medians.</summary>
    public static Bar AtMost(Spread? value, double times, string other, Spread? otherValue) =>
        AtMost(RatioOf(value, otherValue), times, $"x {other}");

    /// <summary>At least so many times what another server has: a ratio of medians.</summary>
    public static Bar AtLeast(Spread? value, double times, string other, Spread? otherValue) =>
        AtLeast(RatioOf(value, otherValue), times, $"x {other}");

    public override string ToString()
    {
        var verdict = IsMet switch { true => "met", false => "NOT met", null => "not judged, not measured here" };
        var figure = Figure is { } value ? $" ({Text(value)})" : "";
        return $"at {(IsAtMost ? "most" : "least")} {Text(Limit)} {Unit}: {verdict}{figure}";
    }

    private static double? RatioOf(Spread? value, Spread? other) =>
        value is { } mine && other is { Median: > 0 } theirs ? Math.Round(mine.Median / theirs.Median, 3) : null;

    private static string Text(double number) =>
        number.ToString(Math.Abs(number) >= 100 ? "N0" : "0.###", CultureInfo.InvariantCulture);
}
