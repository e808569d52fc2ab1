using Nave.EventLog.Tests.Harness;
using Nave.TestKit;

namespace Nave.EventLog.Tests.Segments;

/// <summary>Files of dropped segments that become segments again: 0001-event-log.md.</summary>
public sealed class RecycledSegmentTests : IAsyncDisposable
{
    private const int RetentionBytes = 256 << 10;
    private static readonly LogPartition P0 = new(0, 0);
    private readonly TestLog _test = new() { Logger = new StrictLogger(6002, 6013) }; // A batch refused: the power that goes. And a deletion that fails.

    public RecycledSegmentTests() => _test.Options = _test.Options with { RetentionBytes = RetentionBytes };

    public ValueTask DisposeAsync() => _test.DisposeAsync();

    [Fact]
    public async Task A_log_that_has_its_size_writes_no_more_zeros()
    {
        var log = await _test.OpenAsync();
        await AppendAsync(log, 150);
        var zeros = _test.Disk.Visits[LogStep.FillSpare];

        await AppendAsync(log, 300);

        Assert.Equal(zeros, _test.Disk.Visits[LogStep.FillSpare]);
        Assert.InRange(_test.Disk.Visits[LogStep.RecycleSegment], 300 / 16, int.MaxValue);
        Assert.InRange(log.TotalBytes, 0, RetentionBytes + (64 << 10));
        await CheckAsync(log, 450);
    }

    [Theory]
    [InlineData(LogStep.WriteFrame, false)]
    [InlineData(LogStep.WriteFrame, true)]
    [InlineData(LogStep.SyncFrame, false)]
    [InlineData(LogStep.SyncFrame, true)]
    [InlineData(LogStep.SyncHeader, true)]
    [InlineData(LogStep.NameSegment, true)]
    public async Task Frames_of_a_files_earlier_life_are_not_taken_for_the_logs(LogStep step, bool after)
    {
        foreach (var keep in (double[])[0, 0.5, 1])
        {
            var log = await _test.OpenAsync();
            await AppendAsync(log, 150);
            var known = log.GetState(P0).NextSequenceNumber;
            _test.Disk.CutPowerAt(step, _test.Disk.Visits[step] + 1, after);
            while (!_test.Disk.IsOff)
            {
                try
                {
                    await log.CommitAsync(P0, TestLog.Record(known));
                    known++;
                }
                catch (LogFailedException)
                {
                    // The one that was cut.
                }
            }

            await log.DisposeAsync();
            _test.Disk.PowerCycle(keep);

            log = await _test.OpenAsync();

            var next = log.GetState(P0).NextSequenceNumber;
            Assert.InRange(next, known, known + 1);
            await CheckAsync(log, next);
            await log.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_file_that_somebody_reads_is_not_written_over()
    {
        var log = await _test.OpenAsync();
        await AppendAsync(log, 40);
        using var reader = await log.OpenReaderAsync(P0, ReadFrom.Beginning, CancellationToken.None);
        using var first = await reader.ReadAsync(1, CancellationToken.None);
        await AppendAsync(log, 200);

        using var next = await reader.ReadAsync(1, CancellationToken.None);

        Assert.Equal(TestLog.Record(0), first.Records[0].Bytes.ToArray());
        Assert.Equal(log.GetState(P0).FirstSequenceNumber, next.Records[0].SequenceNumber);
        Assert.Equal(TestLog.Record(next.Records[0].SequenceNumber), next.Records[0].Bytes.ToArray());
        Assert.Equal(_test.Logger.Entries.Count(entry => entry.Id == 6011) - 1, _test.Disk.Visits[LogStep.RecycleSegment]); // All that were dropped but the one.
    }

    [Fact]
    public async Task What_lies_behind_the_end_of_a_log_that_was_closed_is_left_alone()
    {
        var log = await _test.OpenAsync();
        await AppendAsync(log, 150);
        await log.DisposeAsync();
        var zeroed = _test.Disk.Visits.GetValueOrDefault(LogStep.ZeroTail);

        log = await _test.OpenAsync();

        Assert.Equal(zeroed, _test.Disk.Visits.GetValueOrDefault(LogStep.ZeroTail)); // Old frames behind the end are nobody's torn ones.
        Assert.DoesNotContain(_test.Logger.Entries, entry => entry.Id == 6021);
        await CheckAsync(log, 150);
    }

    [Fact]
    public async Task A_file_whose_new_name_could_not_be_synced_is_used_all_the_same()
    {
        var log = await _test.OpenAsync();
        await AppendAsync(log, 150);
        _test.Disk.FailAt(LogStep.SyncDelete, _test.Disk.Visits[LogStep.SyncDelete] + 1);
        var dropped = _test.Disk.Visits[LogStep.RecycleSegment];

        await AppendAsync(log, 200);

        Assert.Single(_test.Logger.Entries, entry => entry.Id == 6013);
        Assert.True(_test.Disk.Visits[LogStep.RecycleSegment] > dropped + 2);
        await log.DisposeAsync();
        var files = _test.Disk.List().Sum(name => (long)_test.Disk.ReadFile(name).Length);
        Assert.InRange(files, 1, RetentionBytes + (3 * _test.Options.SegmentBytes));
    }

    // Slowly, so that no more than one spare is made ahead.
    private async Task AppendAsync(EmbeddedEventLog log, int records)
    {
        for (var i = 0; i < records; i++)
        {
            await log.CommitAsync(P0, TestLog.Record(log.GetState(P0).NextSequenceNumber));
            _test.Time.Advance(TimeSpan.FromMilliseconds(100));
        }
    }

    private static async Task CheckAsync(EmbeddedEventLog log, long next)
    {
        var state = log.GetState(P0);
        Assert.Equal(next, state.NextSequenceNumber);
        var records = await log.ReadAllAsync(P0);
        Assert.Equal(next - state.FirstSequenceNumber, records.Count);
        Assert.All(records, record => Assert.Equal(TestLog.Record(record.Sequence), record.Bytes));
    }
}
