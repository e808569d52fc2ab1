using Nave.EventLog;

namespace Nave.Faults.Tests;

/// <summary>Bits that turn over on the disk: reported, never repaired by cutting away what was acknowledged.</summary>
public sealed class FlippedBitTests
{
    [Fact]
    public async Task A_flipped_bit_is_harmless_or_reported_wherever_it_is_and_the_file_is_kept()
    {
        var reportedAtStart = 0;
        var reportedToReaders = 0;
        for (var seed = 0; seed < 120; seed++)
        {
            using var story = new LogStory(seed);
            await story.OpenAsync();
            await story.RunAsync(30);
            await story.CloseAsync();
            var names = story.Disk.List().Where(name => name.EndsWith(".log", StringComparison.Ordinal) || name.EndsWith(".sorted", StringComparison.Ordinal)).ToList();
            var name = names[story.Random.Next(names.Count)];
            var bytes = story.Disk.ReadFile(name);
            var isActive = name == names.Max(StringComparer.Ordinal);
            story.Disk.FlipBit(name, story.Random.Next(isActive ? BehindLastFrameButOne(bytes) : bytes.Length), story.Random.Next(8));
            var damaged = story.Disk.ReadFile(name);

            try
            {
                await story.OpenAsync();
                await story.CheckAsync();
            }
            catch (LogCorruptException e)
            {
                Assert.Contains(name, e.Message, StringComparison.Ordinal);
                (reportedAtStart, reportedToReaders) = story.IsOpen
                    ? (reportedAtStart, reportedToReaders + 1) : (reportedAtStart + 1, reportedToReaders);
                Assert.Equal(damaged, story.Disk.ReadFile(name));
            }

            await story.CloseAsync();
        }

        Assert.True(reportedAtStart > 20, $"{reportedAtStart} were reported at the start.");
        Assert.True(reportedToReaders > 20, $"{reportedToReaders} were reported to readers.");
    }

    // The very last frame can't be told from a torn one. Frames begin at a sector with their magic.
    private static int BehindLastFrameButOne(byte[] segment)
    {
        var last = 0;
        for (var offset = 4096; offset < segment.Length; offset += 512)
        {
            if (segment.AsSpan(offset).StartsWith("NFR1"u8))
            {
                last = offset;
            }
        }

        return last > 0 ? last : 4096;
    }
}
