using Nave.Hub.Hosting;

namespace Nave.Hub.Quotas;

/// <summary>Section <c>Quota</c>: the service's quota and throttles (spec/messaging-semantics.md 3), off where no tier is named.</summary>
public sealed class QuotaOptions
{
    private readonly LimitChoice[] _limits = new LimitChoice[MeteredWords.All.Count];

    /// <summary>Whose numbers hold where nothing else is said.</summary>
    public QuotaTier Tier { get; set; }

    /// <summary>How many units of the tier.</summary>
    public int Units { get; set; } = 1;

    /// <summary>Units of the day; null for the tier's.</summary>
    public long? DailyMessages { get; set; }

    /// <summary>Whether the day has no end of units, whatever the tier.</summary>
    public bool HasNoDailyLimit { get; set; }

    /// <summary>The size of a unit in bytes; null for the tier's.</summary>
    public int? BlockBytes { get; set; }

    /// <summary>How long something over its rate may be kept waiting. Under what clients wait for an answer.</summary>
    public TimeSpan MaxDelay { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How many of an operation may wait; null for what <see cref="MaxDelay"/> holds at the limit's rate.</summary>
    public int? Backlog { get; set; }

    /// <summary>What is set for the operation.</summary>
    internal LimitChoice this[Metered operation] => _limits[(int)operation];

    /// <summary>Sets an operation's limit.</summary>
    internal void Set(Metered operation, string text) =>
        _limits[(int)operation] = text.Equals("off", StringComparison.OrdinalIgnoreCase) ? new LimitChoice(true, null) : new LimitChoice(true, Rate.Parse(text));

    /// <summary>Sets the units of a day.</summary>
    internal void SetDaily(string text)
    {
        HasNoDailyLimit = text.Equals("off", StringComparison.OrdinalIgnoreCase);
        DailyMessages = HasNoDailyLimit ? null : OptionValue.Number(text, 1, int.MaxValue);
    }

    /// <summary>One operation's limit as it was set; nothing set means the tier's.</summary>
    internal readonly record struct LimitChoice(bool IsSet, Rate? Rate);
}

/// <summary>What the service sells.</summary>
public enum QuotaTier
{
    /// <summary>Nothing: no quota, no throttles.</summary>
    None,

    /// <summary>The free one: 8,000 messages of 512 bytes a day.</summary>
    F1,

    /// <summary>400,000 messages of 4 KB a day and unit.</summary>
    S1,

    /// <summary>6,000,000 of them.</summary>
    S2,

    /// <summary>300,000,000 of them.</summary>
    S3,
}
