namespace Nave.Hub.Heartbeats;

/// <summary>Section <c>Heartbeats</c>.</summary>
public sealed class HeartbeatOptions
{
    /// <summary>How often a device is to be heard that no rule names; zero for no watch.</summary>
    public TimeSpan ExpectedEvery { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>Whether empty messages with the heartbeat property are stored as telemetry, too.</summary>
    public bool StoreMessages { get; set; }

    /// <summary>The tag whose devices fall silent together: a site, a gateway.</summary>
    public string GroupTag { get; set; } = "site";

    /// <summary>The share of a group that has to fall silent to make one alert of it, in percent.</summary>
    public int GroupPercent { get; set; } = 20;

    /// <summary>How many devices of a group have to fall silent, besides.</summary>
    public int GroupLeast { get; set; } = 20;

    /// <summary>What is expected of a device that no rule names.</summary>
    internal HeartbeatTerms Terms => ExpectedEvery > TimeSpan.Zero
        ? new HeartbeatTerms { Source = HeartbeatRule.Default, Every = ExpectedEvery }
        : HeartbeatTerms.Unwatched;
}
