using Nave.EventLog.Tests.Harness;
using Nave.TestKit;

namespace Nave.EventLog.Tests.Segments;

/// <summary>Logs of many partitions, whose sealed segments are put in the order of partitions.</summary>
public sealed class SortedSegmentTests : IAsyncDisposable
{
    private const int Partitions = 12;
    private readonly TestLog _test = new();

    public SortedSegmentTests() =>
        _test.Options = _test.Options with { Streams = [new LogStream(0, "telemetry", Partitions)], QuickSegmentBytes = 64 << 10 };

    public ValueTask DisposeAsync() => _test.DisposeAsync();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Sorted_segments_hold_what_was_written_and_every_start_position_is_found(bool withoutIndexes)
    {
        var log = await _test.OpenAsync();
        var start = _test.Time.GetUtcNow();
        await FillAsync(log, 20);
        await log.DisposeAsync();
        Assert.True(_test.Disk.List().Count(name => name.EndsWith(".sorted", StringComparison.Ordinal)) > 3);
        Assert.Single(_test.SegmentFiles); // The active one.
        foreach (var index in _test.Disk.List().Where(name => withoutIndexes && name.EndsWith(".index", StringComparison.Ordinal)))
        {
            _test.Disk.Delete(index, LogStep.Delete);
        }

        log = await _test.OpenAsync();

        for (ushort partition = 0; partition < Partitions; partition++)
        {
            var records = await log.ReadAllAsync(new LogPartition(0, partition), maxRecords: 3);
            Assert.Equal(20, records.Count);
            Assert.All(records, record => Assert.Equal(TestLog.Record((record.Sequence * Partitions) + partition), record.Bytes));
            for (var i = 0; i < 20; i += 3)
            {
                var later = await log.ReadAllAsync(new LogPartition(0, partition), ReadFrom.After(start.AddSeconds(i)));
                Assert.Equal(i + 1, later[0].Sequence);
                Assert.Equal(20 - i, (await log.ReadAllAsync(new LogPartition(0, partition), ReadFrom.Sequence(i))).Count);
            }
        }
    }

    [Fact]
    public async Task A_reader_of_one_partition_reads_little_of_the_others()
    {
        var sorted = await BytesReadAsync(sortAbove: 8);
        var unsorted = await BytesReadAsync(sortAbove: 100);

        Assert.InRange(sorted, 150 * 4000, 2 << 20);
        Assert.InRange(unsorted, 7 << 20, 10 << 20);
    }

    [Fact]
    public async Task A_reader_in_the_middle_of_a_segment_goes_on_when_it_is_sorted()
    {
        var log = await _test.OpenAsync();
        var partition = new LogPartition(0, 3);
        await FillAsync(log, 1);
        using var reader = await log.OpenReaderAsync(partition, ReadFrom.Beginning, CancellationToken.None);

        for (var i = 0; i < 30; i++)
        {
            using var batch = await reader.ReadAsync(1, CancellationToken.None);
            Assert.Equal(i, batch.Records[0].SequenceNumber);
            Assert.Equal(TestLog.Record((i * Partitions) + 3), batch.Records[0].Bytes.ToArray());
            await FillAsync(log, i % 2 == 0 ? 2 : 1);
        }
    }

    [Fact]
    public async Task Sorted_segments_are_dropped_like_others()
    {
        _test.Options = _test.Options with { RetentionBytes = 256 << 10 };
        var log = await _test.OpenAsync();

        await FillAsync(log, 40);

        Assert.InRange(log.TotalBytes, 64 << 10, (256 + 128) << 10);
        Assert.InRange(_test.Disk.List().Count(name => name.EndsWith(".sorted", StringComparison.Ordinal)), 1, 6);
        Assert.InRange(log.GetState(default).FirstSequenceNumber, 20, 39);
    }

    [Fact]
    public async Task A_damaged_segment_is_reported_and_left_as_it_is()
    {
        await using var test = new TestLog { Options = _test.Options with { SortAbovePartitions = 100 }, Logger = new StrictLogger(6015) };
        await FillAsync(await test.OpenAsync(), 10);
        await test.Log.DisposeAsync();
        test.Disk.FlipBit("000000000001.log", 4096 + 2000);
        var before = test.Disk.ReadFile("000000000001.log");
        test.Options = test.Options with { SortAbovePartitions = 8 };

        await test.OpenAsync();

        Assert.Contains(test.Logger.Entries, entry => entry.Id == 6015 && entry.Text.Contains("000000000001.log", StringComparison.Ordinal));
        Assert.Equal(before, test.Disk.ReadFile("000000000001.log"));
        Assert.Contains("000000000002.sorted", test.Disk.List());
    }

    // What it costs to read 150 records of one partition of twelve from two sealed segments of 4 MB.
    private async Task<long> BytesReadAsync(int sortAbove)
    {
        await using var test = new TestLog
        {
            Options = _test.Options with { SegmentBytes = 4 << 20, QuickSegmentBytes = 4 << 20, SortAbovePartitions = sortAbove },
        };
        var log = await test.OpenAsync();
        await FillAsync(log, 160);
        using var reader = await log.OpenReaderAsync(new LogPartition(0, 5), ReadFrom.Beginning, CancellationToken.None);
        test.Disk.BytesRead = 0;
        while (reader.NextSequenceNumber < 150)
        {
            using var batch = await reader.ReadAsync(150 - (int)reader.NextSequenceNumber, CancellationToken.None);
        }

        return test.Disk.BytesRead;
    }

    private async Task FillAsync(EmbeddedEventLog log, int rounds)
    {
        for (var round = 0; round < rounds; round++)
        {
            for (ushort partition = 0; partition < Partitions; partition++)
            {
                var next = log.GetState(new LogPartition(0, partition)).NextSequenceNumber;
                await log.CommitAsync(new LogPartition(0, partition), TestLog.Record((next * Partitions) + partition));
            }

            _test.Time.Advance(TimeSpan.FromSeconds(1));
        }
    }
}
