using System.Collections.Concurrent;
using Nave.EventLog;

namespace Nave.Faults.Tests;

/// <summary>
/// The power goes at a named step, just before it or just after it; everything not synced is forgotten, or kept by
/// chance sector by sector. Then the log starts again, and again.
/// </summary>
public sealed class PowerLossTests
{
    private const int Seeds = 200;
    private static readonly double[] Keeps = [0, 0.1, 0.5, 0.9, 1];

    // Reached while the log starts, and only then.
    private static readonly LogStep[] RecoverySteps = [LogStep.RewriteFrame, LogStep.ZeroTail, LogStep.SyncRecovery];

    /// <summary>All seeds, or the one in NAVE_SEED.</summary>
    [Fact]
    public async Task Whatever_step_the_power_goes_at_nothing_acknowledged_is_lost_and_no_number_is_missing()
    {
        var one = Environment.GetEnvironmentVariable("NAVE_SEED");
        var struck = new ConcurrentBag<(LogStep, bool)>();
        await Parallel.ForAsync(0, Seeds, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (seed, _) =>
        {
            if (one is null || one == $"{seed}")
            {
                foreach (var fault in await TellAsync(seed))
                {
                    struck.Add(fault);
                }
            }
        });

        var missing = Enum.GetValues<LogStep>().SelectMany(step => new[] { (step, false), (step, true) }).Except(struck).ToList();
        Assert.True(one is not null || missing.Count == 0, $"Never cut at: {string.Join(", ", missing)}");
    }

    private static async Task<IEnumerable<(LogStep, bool)>> TellAsync(int seed)
    {
        try
        {
            return await TellStoryAsync(seed);
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"NAVE_SEED={seed}: {e.Message}", e);
        }
    }

    private static async Task<IEnumerable<(LogStep, bool)>> TellStoryAsync(int seed)
    {
        var steps = Enum.GetValues<LogStep>();
        var step = steps[seed % steps.Length];
        using var story = new LogStory(seed, step);
        for (var cycle = 0; cycle < 4; cycle++)
        {
            // The first cycle writes something to lose; each later one is cut at the seed's step, once more or less often.
            if (cycle > 0)
            {
                var later = RecoverySteps.Contains(step) ? 1 : story.Random.Next(1, step is LogStep.WriteFrame or LogStep.SyncFrame ? 10 : 4);
                story.Disk.CutPowerAt(step, story.Disk.Visits.GetValueOrDefault(step) + later, after: story.Random.Next(2) == 0);
            }

            await TryOpenAsync(story);
            if (story.IsOpen)
            {
                await story.RunAsync(story.Random.Next(8, 28));
                if (!story.Disk.IsOff)
                {
                    // Something unfinished to recover from.
                    story.Disk.CutPowerAt(LogStep.WriteFrame, story.Disk.Visits[LogStep.WriteFrame] + story.Random.Next(1, 5), after: true);
                    await story.RunAsync(10);
                }
            }

            await story.CrashAsync(Keeps[story.Random.Next(Keeps.Length)]);
        }

        await story.OpenAsync();
        await story.RunAsync(5);
        await story.CheckAsync();
        await story.CloseAsync();
        Assert.True(story.Acknowledged > 50, $"Only {story.Acknowledged} were acknowledged.");
        return story.Disk.Struck;
    }

    private static async Task TryOpenAsync(LogStory story)
    {
        try
        {
            await story.OpenAsync();
        }
        catch (IOException) when (story.Disk.IsOff)
        {
            // Cut while it started: the next start has to cope.
        }
    }
}
