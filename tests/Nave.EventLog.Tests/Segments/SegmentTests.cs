using Nave.EventLog.Tests.Harness;
using Nave.TestKit;

namespace Nave.EventLog.Tests.Segments;

public sealed class SegmentTests : IAsyncDisposable
{
    private static readonly LogPartition P0 = new(0, 0);
    private readonly TestLog _test = new();

    public ValueTask DisposeAsync() => _test.DisposeAsync();

    [Fact]
    public async Task A_new_log_waits_for_one_small_segment_only()
    {
        _test.Options = _test.Options with { SegmentBytes = 64 << 20, QuickSegmentBytes = 1 << 20 };

        await _test.OpenAsync();

        Assert.Equal(1 << 20, _test.Disk.ReadFile(Assert.Single(_test.Disk.List())).Length);
    }

    [Fact]
    public async Task The_next_segment_lies_ready_before_the_first_is_full()
    {
        var log = await _test.OpenAsync();
        while (log.Statistics.Bytes < 20 << 10)
        {
            await log.CommitAsync(P0, TestLog.Record(0));
        }

        Assert.Single(_test.SegmentFiles);
        Assert.Equal(1, _test.Disk.List().Count(name => name.EndsWith(".spare", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_busy_log_keeps_more_segments_ready_but_no_more_than_it_may()
    {
        _test.Options = _test.Options with { MaxSegmentsAhead = 3 };
        await _test.OpenAsync();

        await _test.FillSegmentsAsync(8);

        Assert.Equal(3, _test.Disk.List().Count(name => name.EndsWith(".spare", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Spares_of_an_earlier_run_are_used_and_unfinished_ones_deleted()
    {
        await _test.OpenAsync();
        await _test.FillSegmentsAsync(3);
        var spares = _test.Disk.List().Where(name => name.EndsWith(".spare", StringComparison.Ordinal)).ToList();
        await _test.Log.DisposeAsync();
        _test.Disk.PutFile("000000000099.filling", new byte[100]);

        await _test.OpenAsync();

        Assert.NotEmpty(spares);
        Assert.Equal(spares, _test.Disk.List().Where(name => name.EndsWith(".spare", StringComparison.Ordinal)));
        Assert.DoesNotContain("000000000099.filling", _test.Disk.List());
        await _test.FillSegmentsAsync(4);
        Assert.DoesNotContain(spares[0], _test.Disk.List());
    }

    [Fact]
    public async Task A_batch_bigger_than_a_segment_gets_one_of_its_own_size()
    {
        var log = await _test.OpenAsync();
        var big = new byte[500_000];
        new Random(3).NextBytes(big);

        await log.CommitAsync(P0, TestLog.Record(0));
        await log.CommitAsync(P0, big);
        await log.CommitAsync(P0, TestLog.Record(2));

        log = await _test.ReopenAsync();
        var records = await log.ReadAllAsync(P0);
        Assert.Equal(big, records[1].Bytes);
        Assert.Equal(TestLog.Record(2), records[2].Bytes);
    }

    [Fact]
    public async Task Opening_many_segments_reads_their_headers_and_scans_only_the_newest()
    {
        await _test.OpenAsync();
        await _test.FillSegmentsAsync(20);
        await _test.Log.DisposeAsync();
        _test.Disk.BytesRead = 0;

        var log = await _test.OpenAsync();

        Assert.InRange(_test.Disk.BytesRead, 20 * 4096, (20 * 4300) + (3 * 64 << 10));
        Assert.Equal(log.GetState(P0).NextSequenceNumber, (await log.ReadAllAsync(P0)).Count);
    }

    [Fact]
    public async Task A_missing_segment_stops_the_start()
    {
        await _test.OpenAsync();
        await _test.FillSegmentsAsync(5);
        await _test.Log.DisposeAsync();
        _test.Disk.Delete("000000000003.log", LogStep.Delete);

        var error = await Assert.ThrowsAsync<LogCorruptException>(_test.OpenAsync);

        Assert.Contains("000000000003.log is missing", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Data_of_a_newer_format_is_refused_in_words_and_left_alone()
    {
        await _test.OpenAsync();
        await _test.Log.DisposeAsync();
        _test.Disk.FlipBit("000000000001.log", 8, bit: 1); // Version 1 becomes 3.
        var before = _test.Disk.ReadFile("000000000001.log");

        var error = await Assert.ThrowsAsync<LogOpenException>(_test.OpenAsync);

        Assert.Contains("has format version 3; this program knows versions up to 1", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, _test.Disk.ReadFile("000000000001.log"));
    }

    [Fact]
    public async Task A_torn_tail_is_cut_zeroed_and_mentioned()
    {
        var log = await _test.OpenAsync();
        await log.CommitAsync(P0, TestLog.Record(0));
        await log.CommitAsync(P0, TestLog.Record(1));
        await log.DisposeAsync();
        var torn = 4096 + (4608 * 1) + 1000; // In the second of two frames of 9 sectors.
        _test.Disk.FlipBit("000000000001.log", torn);

        log = await _test.OpenAsync();

        Assert.Equal(1, log.GetState(P0).NextSequenceNumber);
        Assert.Contains(_test.Logger.Entries, entry => entry.Id == 6021);
        Assert.DoesNotContain(_test.Disk.ReadFile("000000000001.log")[(4096 + 4608)..], value => value != 0);
        await log.CommitAsync(P0, TestLog.Record(7));
        Assert.Equal(TestLog.Record(7), (await log.ReadAllAsync(P0))[1].Bytes);
    }

    [Fact]
    public async Task A_bad_frame_with_a_whole_one_behind_it_stops_the_start_and_the_file_is_kept()
    {
        var log = await _test.OpenAsync();
        await log.CommitAsync(P0, TestLog.Record(0));
        await log.CommitAsync(P0, TestLog.Record(1));
        await log.CommitAsync(P0, TestLog.Record(2));
        await log.DisposeAsync();
        _test.Disk.FlipBit("000000000001.log", 4096 + 4608 + 1000);
        var before = _test.Disk.ReadFile("000000000001.log");

        var error = await Assert.ThrowsAsync<LogCorruptException>(_test.OpenAsync);

        Assert.Contains("000000000001.log in the simulated disk is damaged at offset 8704, in frame 2", error.Message, StringComparison.Ordinal);
        Assert.Equal(before, _test.Disk.ReadFile("000000000001.log"));
    }

    [Fact]
    public async Task A_payload_that_looks_like_a_frame_is_not_taken_for_one()
    {
        // A stranger sends a copy of a whole frame of another segment, placed so that it begins at a sector.
        var log = await _test.OpenAsync();
        await log.CommitAsync(P0, TestLog.Record(0));
        var frame = _test.Disk.ReadFile("000000000001.log")[4096..(4096 + 4608)];
        var other = new TestLog { Options = _test.Options };
        var target = await other.OpenAsync();
        var headerBytes = 40 + 40 + 8 + 16;
        await target.CommitAsync(P0, [.. new byte[512 - headerBytes], .. frame]);
        await target.DisposeAsync();
        other.Disk.FlipBit("000000000001.log", 4096 + 300); // Its own frame is torn.

        await other.OpenAsync();

        Assert.True(other.Log.GetState(P0).IsEmpty);
        await other.DisposeAsync();
    }
}
