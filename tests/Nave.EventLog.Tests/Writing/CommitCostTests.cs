using Nave.EventLog.Format;
using Nave.EventLog.Tests.Harness;

namespace Nave.EventLog.Tests.Writing;

/// <summary>
/// What a record costs, in figures that no machine's speed changes: bytes on disk, syncs, allocations. The guard of issue
/// "as fast as the machine"; what they are worth in time, ./nave bench says.
/// </summary>
public sealed class CommitCostTests
{
    private static readonly byte[] Payload = new byte[PayloadBytes];

    private const int Records = 1000;
    private const int PayloadBytes = 256;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly EventLogOptions Options = new()
    {
        Streams = [new LogStream(0, "telemetry", 4)],
        SegmentBytes = 4 << 20,
        QuickSegmentBytes = 4 << 20,
        ReserveBytes = 0,
        MaxLinger = TimeSpan.Zero,
        WorkInline = true,
    };

    [Fact]
    public async Task What_comes_during_a_sync_shares_the_next_one_and_costs_little_more_than_its_bytes()
    {
        using var syncing = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        await using var log = new TestLog { Options = Options };
        await log.OpenAsync();
        log.Disk.Reached = step =>
        {
            if (step is LogStep.SyncFrame && !syncing.IsSet)
            {
                syncing.Set();
                goOn.Wait(Patience);
            }
        };

        Append(log.Log, 0);
        Assert.True(syncing.Wait(Patience));
        for (var i = 0; i < Records; i++)
        {
            Append(log.Log, i);
        }

        var last = Append(log.Log, 0);
        goOn.Set();
        await log.Log.WaitForCommitAsync(last, TestContext.Current.CancellationToken);

        var cost = log.Log.Statistics;
        Assert.Equal(Records + 2, cost.Records);
        Assert.Equal(2, cost.Syncs);
        var headers = 2 * (FrameFormat.HeaderBytes(4) + FrameFormat.SectorBytes);
        Assert.InRange(cost.Bytes, cost.Records * PayloadBytes, (cost.Records * (PayloadBytes + RecordFormat.HeaderBytes)) + headers);
        Assert.Equal(2, log.Disk.Visits[LogStep.WriteFrame]); // One write for the whole batch, whatever its partitions.
    }

    [Fact]
    public async Task An_append_allocates_nothing()
    {
        await using var log = new TestLog { Options = Options };
        await log.OpenAsync();
        var allocated = 0L;
        for (var round = 0; round < 40; round++)
        {
            LogPosition last = default;
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 100; i++)
            {
                last = Append(log.Log, i);
            }

            allocated += round < 20 ? 0 : GC.GetAllocatedBytesForCurrentThread() - before;
            await log.Log.WaitForCommitAsync(last, TestContext.Current.CancellationToken);
        }

        Assert.True(allocated < 20 * 100 * 16, $"{allocated} bytes for 2,000 records."); // The smallest object has 24.
    }

    private static LogPosition Append(EmbeddedEventLog log, int number)
    {
        // An assertion would allocate.
        var outcome = log.TryAppend(new LogPartition(0, (ushort)(number % 4)), new RecordParts(Payload), null, out var position);
        return outcome is AppendOutcome.Taken ? position : throw new InvalidOperationException($"{outcome}");
    }
}
