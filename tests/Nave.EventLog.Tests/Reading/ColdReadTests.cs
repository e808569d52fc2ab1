using Nave.EventLog.Tests.Harness;
using Nave.TestKit;

namespace Nave.EventLog.Tests.Reading;

/// <summary>Readers far behind the end, served from the files.</summary>
public sealed class ColdReadTests : IAsyncDisposable
{
    private static readonly LogPartition P0 = new(0, 0);
    private static readonly LogPartition P1 = new(0, 1);
    private readonly TestLog _test = new();

    public ValueTask DisposeAsync() => _test.DisposeAsync();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_start_position_in_sealed_segments_is_found(bool withoutIndexes)
    {
        var log = await _test.OpenAsync();
        for (var i = 0; i < 150; i++)
        {
            await log.CommitAsync(P0, TestLog.Record(i));
            await log.CommitAsync(P1, TestLog.Record(i));
            _test.Time.Advance(TimeSpan.FromSeconds(1));
        }

        await log.DisposeAsync();
        foreach (var index in _test.Disk.List().Where(name => withoutIndexes && name.EndsWith(".index", StringComparison.Ordinal)))
        {
            _test.Disk.Delete(index, LogStep.Delete);
        }

        log = await _test.OpenAsync();
        var start = (await log.ReadAllAsync(P0))[0].Time;
        for (var i = 0; i < 150; i += 7)
        {
            Assert.Equal(i, await FirstAsync(log, ReadFrom.Sequence(i)));
            Assert.Equal(i, await FirstAsync(log, ReadFrom.After(DateTimeOffset.FromUnixTimeMilliseconds(start + (i * 1000) - 1))));
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_index_leads_close_to_every_place_of_a_big_segment(bool reopened)
    {
        _test.Options = _test.Options with { SegmentBytes = 4 << 20, QuickSegmentBytes = 4 << 20 };
        var log = await _test.OpenAsync();
        var start = _test.Time.GetUtcNow();
        for (var i = 0; i < 800; i++)
        {
            await log.CommitAsync(P0, TestLog.Record(i));
            _test.Time.Advance(TimeSpan.FromSeconds(1));
        }

        log = reopened ? await _test.ReopenAsync() : log;

        for (var i = 3; i < 790; i += 29)
        {
            _test.Disk.BytesRead = 0;
            Assert.Equal(i, await FirstAsync(log, ReadFrom.Sequence(i)));
            Assert.InRange(_test.Disk.BytesRead, 1, 600 << 10);
            Assert.Equal(i + 1, await FirstAsync(log, ReadFrom.After(start.AddSeconds(i))));
            Assert.InRange(_test.Disk.BytesRead, 1, 1800 << 10);
        }
    }

    [Fact]
    public async Task A_damaged_index_is_not_believed()
    {
        var log = await _test.OpenAsync();
        await _test.FillSegmentsAsync(4);
        await log.DisposeAsync();
        foreach (var index in _test.Disk.List().Where(name => name.EndsWith(".index", StringComparison.Ordinal)))
        {
            _test.Disk.FlipBit(index, 60);
        }

        log = await _test.OpenAsync();

        var records = await log.ReadAllAsync(P0);
        Assert.Equal(log.GetState(P0).NextSequenceNumber, records.Count);
        Assert.All(records, record => Assert.Equal(TestLog.Record(record.Sequence), record.Bytes));
    }

    [Fact]
    public async Task A_damaged_record_is_reported_and_what_lies_before_and_behind_it_can_be_read()
    {
        var log = await _test.OpenAsync();
        await _test.FillSegmentsAsync(3);
        await log.DisposeAsync();
        _test.Disk.FlipBit("000000000001.log", 4096 + (2 * 4608) + 2000); // In record 2 of a sealed segment.

        log = await _test.OpenAsync();

        using var reader = await log.OpenReaderAsync(P0, ReadFrom.Beginning, CancellationToken.None);
        (await reader.ReadAsync(2, CancellationToken.None)).Dispose();
        var error = await Assert.ThrowsAsync<LogCorruptException>(() => reader.ReadAsync(10, CancellationToken.None).AsTask());
        Assert.Contains("000000000001.log in the simulated disk is damaged", error.Message, StringComparison.Ordinal);
        Assert.Contains("record 2 of partition 0", error.Message, StringComparison.Ordinal);
        Assert.Equal(3, await FirstAsync(log, ReadFrom.Sequence(3)));
    }

    [Fact]
    public async Task A_slow_reader_passes_from_the_files_to_memory_without_a_gap()
    {
        _test.Options = _test.Options with { TailBytes = 40 << 10 };
        var log = await _test.OpenAsync();
        using var reader = await log.OpenReaderAsync(P0, ReadFrom.Beginning, CancellationToken.None);
        var expected = 0L;
        for (var i = 0; i < 60; i++)
        {
            await log.CommitAsync(P0, TestLog.Record(i), TestLog.Record(i));
            await log.CommitAsync(P1, TestLog.Record(i));
            if (i % 3 == 0)
            {
                await ReadSomeAsync(3);
            }
        }

        while (reader.NextSequenceNumber < 120)
        {
            await ReadSomeAsync(50);
        }

        Assert.Equal(120, expected);

        async Task ReadSomeAsync(int count)
        {
            using var batch = await reader.ReadAsync(count, CancellationToken.None);
            foreach (var record in batch.Records)
            {
                Assert.Equal(expected, record.SequenceNumber);
                Assert.Equal(TestLog.Record(expected / 2), record.Bytes.ToArray());
                expected++;
            }
        }
    }

    [Fact]
    public async Task A_batch_keeps_its_memory_while_the_reader_goes_on()
    {
        var log = await _test.OpenAsync();
        for (var i = 0; i < 200; i++)
        {
            await log.CommitAsync(P0, TestLog.Record(i));
        }

        using var reader = await log.OpenReaderAsync(P0, ReadFrom.Beginning, CancellationToken.None);
        var held = new List<RecordBatch>();
        while (reader.NextSequenceNumber < 200)
        {
            held.Add(await reader.ReadAsync(7, CancellationToken.None));
        }

        Assert.All(held.SelectMany(batch => batch.Records), record => Assert.Equal(TestLog.Record(record.SequenceNumber), record.Bytes.ToArray()));
        held.ForEach(batch => batch.Dispose());
    }

    [Fact]
    public async Task Tail_readers_touch_no_file()
    {
        _test.Options = _test.Options with { TailBytes = 1 << 20 };
        var log = await _test.OpenAsync();
        using var reader = await log.OpenReaderAsync(P0, ReadFrom.Beginning, CancellationToken.None);
        _test.Disk.BytesRead = 0;

        for (var i = 0; i < 50; i++)
        {
            await log.CommitAsync(P0, TestLog.Record(i));
            using var batch = await reader.ReadAsync(10, CancellationToken.None);
            Assert.Equal(i, Assert.Single(batch.Records).SequenceNumber);
        }

        Assert.Equal(0, _test.Disk.BytesRead);
    }

    private static async Task<long> FirstAsync(EmbeddedEventLog log, ReadFrom from)
    {
        using var reader = await log.OpenReaderAsync(P0, from, CancellationToken.None);
        using var batch = await reader.ReadAsync(1, CancellationToken.None);
        Assert.Equal(TestLog.Record(batch.Records[0].SequenceNumber), batch.Records[0].Bytes.ToArray());
        return batch.Records[0].SequenceNumber;
    }
}
