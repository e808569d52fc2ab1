namespace Nave.Hub.Jobs;

/// <summary>Limits of jobs. Section <c>Jobs</c> of the options.</summary>
public sealed class JobOptions
{
    /// <summary>Jobs that run at once; others stay queued. 10 is the largest tier's (spec/service-rest.md 9).</summary>
    public int MaxActive { get; set; } = 10;

    /// <summary>Devices of one job that are worked on at once.</summary>
    public int Concurrency { get; set; } = 100;

    /// <summary>Jobs that may wait, scheduled or queued, before further ones are refused with 429004.</summary>
    public int MaxWaiting { get; set; } = 1000;

    /// <summary>How long an ended job can be asked for (spec/service-rest.md 9: 30 days).</summary>
    public TimeSpan History { get; set; } = TimeSpan.FromDays(30);
}
