using Nave.EventLog.Tests.Harness;
using Nave.TestKit;
using Nave.Tests;

namespace Nave.EventLog.Tests.Segments;

public sealed class RetentionTests : IAsyncDisposable
{
    private static readonly LogPartition P0 = new(0, 0);
    private readonly TestLog _test = new();

    public ValueTask DisposeAsync() => _test.DisposeAsync();

    [Fact]
    public async Task The_oldest_segments_go_when_the_log_has_its_size()
    {
        _test.Options = _test.Options with { RetentionBytes = 256 << 10 };
        var log = await _test.OpenAsync();

        for (var i = 0; i < 120; i++)
        {
            await log.CommitAsync(P0, TestLog.Record(i));
            Assert.InRange(log.TotalBytes, 0, (256 + 64) << 10);
        }

        var state = log.GetState(P0);
        Assert.InRange(state.FirstSequenceNumber, 60, 119);
        var records = await log.ReadAllAsync(P0);
        Assert.Equal(state.FirstSequenceNumber, records[0].Sequence);
        Assert.Equal(TestLog.Record(records[0].Sequence), records[0].Bytes);
        Assert.Equal(120 - state.FirstSequenceNumber, records.Count);
    }

    [Fact]
    [Conformance("events-endpoint", 26)]
    public async Task Old_segments_go_one_a_minute_and_the_active_one_only_when_another_has_taken_its_place()
    {
        var log = await _test.OpenAsync();
        await _test.FillSegmentsAsync(5);
        var next = log.GetState(P0).NextSequenceNumber;

        _test.Time.Advance(TimeSpan.FromDays(1) - TimeSpan.FromMinutes(1));
        Assert.Equal(5, _test.SegmentFiles.Count());
        var began = NextSegmentBegun();
        _test.Time.Advance(TimeSpan.FromMinutes(2));
        await began; // The active one held only old records, too: it ended, so that it can go in its turn.

        var firsts = new List<string>();
        for (var minute = 0; minute < 5; minute++)
        {
            firsts.Add(_test.SegmentFiles.First());
            _test.Time.Advance(TimeSpan.FromMinutes(1));
        }

        Assert.Equal(["000000000002.log", "000000000003.log", "000000000004.log", "000000000005.log", "000000000006.log"], firsts);
        Assert.Equal("000000000006.log", Assert.Single(_test.SegmentFiles));
        Assert.Equal(next, log.GetState(P0).NextSequenceNumber);
        Assert.True(log.GetState(P0).IsEmpty);
    }

    [Fact]
    public async Task Numbers_and_times_survive_an_emptied_log()
    {
        var log = await _test.OpenAsync();
        await log.CommitAsync(P0, TestLog.Record(0), TestLog.Record(1));
        var time = log.GetState(P0).LastEnqueuedTime;
        var began = NextSegmentBegun();
        _test.Time.Advance(TimeSpan.FromDays(1) + TimeSpan.FromMinutes(2));
        await began;
        _test.Time.Advance(TimeSpan.FromMinutes(1));
        Assert.True(log.GetState(P0).IsEmpty);

        log = await _test.ReopenAsync();
        _test.Time.AdjustTime(time!.Value - TimeSpan.FromHours(1));
        await log.CommitAsync(P0, TestLog.Record(2));

        var record = Assert.Single(await log.ReadAllAsync(P0));
        Assert.Equal(2, record.Sequence);
        Assert.Equal(time.Value.ToUnixTimeMilliseconds(), record.Time);
    }

    [Fact]
    public async Task A_clock_that_jumps_ahead_empties_nothing_at_once()
    {
        var log = await _test.OpenAsync();
        await _test.FillSegmentsAsync(6);

        _test.Time.AdjustTime(_test.Time.GetUtcNow().AddYears(10));
        _test.Time.Advance(TimeSpan.FromSeconds(61));

        // One segment of six is gone, for readers as on disk.
        Assert.Equal("000000000002.log", _test.SegmentFiles.First());
        Assert.InRange(log.GetState(P0).FirstSequenceNumber, 1, log.GetState(P0).NextSequenceNumber / 4);
    }

    [Fact]
    public async Task A_log_that_takes_more_than_a_segment_a_minute_drops_old_ones_as_fast()
    {
        var log = await _test.OpenAsync();
        await _test.FillSegmentsAsync(4);
        _test.Time.AdjustTime(_test.Time.GetUtcNow() + TimeSpan.FromDays(2)); // No minute passes: only the clock is later.

        for (var i = 0; i < 200 && _test.SegmentFiles.Last() != "000000000007.log"; i++)
        {
            await log.CommitAsync(P0, TestLog.Record(log.GetState(P0).NextSequenceNumber));
        }

        Assert.Equal(["000000000004.log", "000000000005.log", "000000000006.log", "000000000007.log"], _test.SegmentFiles);
        Assert.Equal(log.GetState(P0).FirstSequenceNumber, (await log.ReadAllAsync(P0))[0].Sequence);
    }

    [Fact]
    public async Task A_stream_with_a_shorter_retention_ends_for_its_readers_before_its_files_do()
    {
        _test.Options = _test.Options with
        {
            Streams = [new LogStream(0, "telemetry", 2, TimeSpan.FromDays(7)), new LogStream(1, "short", 1, TimeSpan.FromHours(1))],
        };
        var log = await _test.OpenAsync();
        var shorter = new LogPartition(1, 0);
        await log.CommitAsync(shorter, TestLog.Record(0));
        await _test.FillSegmentsAsync(3);

        _test.Time.Advance(TimeSpan.FromHours(2));

        Assert.True(log.GetState(shorter).IsEmpty);
        Assert.Empty(await log.ReadAllAsync(shorter));
        Assert.Equal(0, log.GetState(P0).FirstSequenceNumber);
        Assert.Equal(3, _test.SegmentFiles.Count());
    }

    [Fact]
    [Conformance("events-endpoint", 26)]
    public async Task A_reader_whose_place_is_dropped_goes_on_at_the_oldest_record()
    {
        _test.Options = _test.Options with { RetentionBytes = 200 << 10 };
        var log = await _test.OpenAsync();
        await log.CommitAsync(P0, TestLog.Record(0));
        using var reader = await log.OpenReaderAsync(P0, ReadFrom.Beginning, CancellationToken.None);
        using (var first = await reader.ReadAsync(1, CancellationToken.None))
        {
            Assert.Equal(0, first.Records[0].SequenceNumber);
        }

        for (var i = 1; i < 100; i++)
        {
            await log.CommitAsync(P0, TestLog.Record(i));
        }

        using var batch = await reader.ReadAsync(1, CancellationToken.None);
        Assert.Equal(log.GetState(P0).FirstSequenceNumber, batch.Records[0].SequenceNumber);
        Assert.Equal(TestLog.Record(batch.Records[0].SequenceNumber), batch.Records[0].Bytes.ToArray());
    }

    // Ending the active segment is the commit thread's work, in its own time.
    private Task NextSegmentBegun()
    {
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _test.Logger.Logged = id =>
        {
            if (id == 6004)
            {
                begun.TrySetResult();
            }
        };
        return begun.Task;
    }
}
