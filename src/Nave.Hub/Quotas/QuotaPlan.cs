namespace Nave.Hub.Quotas;

/// <summary>
/// The limits that hold on this hub: the tier's numbers (spec/messaging-semantics.md 3.1 and 3.2), and over them what was
/// set one by one. Immutable.
/// </summary>
internal sealed class QuotaPlan
{
    private const int ServiceBlockBytes = 4096;

    private readonly Rate?[] _rates;

    public QuotaPlan(QuotaOptions options)
    {
        Tier = options.Tier;
        Units = options.Tier is QuotaTier.F1 ? 1 : options.Units; // One hub, one free unit.
        _rates = [.. MeteredWords.All.Select(operation => options[operation] is { IsSet: true, Rate: var set } ? set : OfTier(operation))];
        DailyUnits = options.HasNoDailyLimit ? null : options.DailyMessages ?? DailyOfTier();
        BlockBytes = options.BlockBytes ?? (Tier is QuotaTier.F1 ? ServiceBlockBytes / 8 : ServiceBlockBytes);
        MaxDelay = options.MaxDelay;
        Backlog = options.Backlog;
        IsOn = Tier is not QuotaTier.None || DailyUnits is not null || _rates.Any(rate => rate is not null);
    }

    /// <summary>Whose numbers hold.</summary>
    public QuotaTier Tier { get; }

    /// <summary>How many units of it.</summary>
    public int Units { get; }

    /// <summary>Whether anything is limited or counted at all.</summary>
    public bool IsOn { get; }

    /// <summary>What a day has; null for no end.</summary>
    public long? DailyUnits { get; }

    /// <summary>Bytes of a unit.</summary>
    public int BlockBytes { get; }

    /// <summary>See <see cref="QuotaOptions.MaxDelay"/>.</summary>
    public TimeSpan MaxDelay { get; }

    /// <summary>See <see cref="QuotaOptions.Backlog"/>.</summary>
    public int? Backlog { get; }

    /// <summary>Jobs that run at once by the tier (spec/messaging-semantics.md 3.3); null for no tier.</summary>
    public int? MaxActiveJobs => Tier switch
    {
        QuotaTier.None => null,
        QuotaTier.S3 => 10,
        QuotaTier.S2 => 5,
        _ => 1,
    };

    /// <summary>For people: <c>S1 x 2</c>.</summary>
    public string Name => Tier is QuotaTier.None ? "no tier" : $"{Tier} x {Units}";

    /// <summary>The operation's limit; null for none.</summary>
    public Rate? RateOf(Metered operation) => _rates[(int)operation];

    private long? DailyOfTier() => Tier switch
    {
        QuotaTier.None => null,
        QuotaTier.F1 => 8_000,
        QuotaTier.S1 => 400_000L * Units,
        QuotaTier.S2 => 6_000_000L * Units,
        _ => 300_000_000L * Units,
    };

    private Rate? OfTier(Metered operation) => Tier is QuotaTier.None ? null : operation switch
    {
        Metered.Connects or Metered.TelemetrySends => Pick(
            Rate.EachSecond(Math.Max(100, 12 * Units)), Rate.EachSecond(120 * Units), Rate.EachSecond(6_000 * Units)),
        Metered.RegistryOperations or Metered.CommandSends or Metered.JobOperations => Pick(
            Rate.EachMinute(100 * Units), Rate.EachMinute(100 * Units), Rate.EachMinute(5_000 * Units)),
        Metered.CommandReceives => Pick(Rate.EachMinute(1_000 * Units), Rate.EachMinute(1_000 * Units), Rate.EachMinute(50_000 * Units)),
        Metered.TwinReads => Pick(
            Rate.EachSecond(100), Rate.EachSecond(Math.Max(100, 10 * Units)), Rate.EachSecond(500 * Units)),
        Metered.TwinUpdates => Pick(Rate.EachSecond(50), Rate.EachSecond(Math.Max(50, 5 * Units)), Rate.EachSecond(250 * Units)),

        // 160 KB, 480 KB and 24 MB a second and unit, in blocks of 4 KB.
        Metered.Methods => Pick(Rate.EachSecond(40 * Units), Rate.EachSecond(120 * Units), Rate.EachSecond(6_144 * Units)),
        Metered.Queries => Pick(Rate.EachMinute(20 * Units), Rate.EachMinute(20 * Units), Rate.EachMinute(1_000 * Units)),
        Metered.JobDeviceOperations => Pick(Rate.EachSecond(10), Rate.EachSecond(Math.Max(10, Units)), Rate.EachSecond(50 * Units)),
        _ => Rate.EachMinute(20 * Units),
    };

    // The free tier has the rates of one unit of S1.
    private Rate Pick(Rate s1, Rate s2, Rate s3) => Tier switch
    {
        QuotaTier.S3 => s3,
        QuotaTier.S2 => s2,
        _ => s1,
    };
}
