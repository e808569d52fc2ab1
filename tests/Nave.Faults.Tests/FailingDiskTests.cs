using System.Text;
using System.Threading.Channels;
using Microsoft.Extensions.Time.Testing;
using Nave.EventLog;
using Nave.TestKit;

namespace Nave.Faults.Tests;

/// <summary>Writes and syncs that fail, at every step, and what the log makes of it.</summary>
public sealed class FailingDiskTests
{
    private const int Seeds = 120;
    private static readonly LogPartition P0 = new(0, 0);
    private readonly SimulatedDisk _disk = new();
    private readonly StrictLogger _logger = new(6002);
    private readonly FakeTimeProvider _time = new();
    private readonly Channel<LogFault?> _faults = Channel.CreateUnbounded<LogFault?>();

    [Fact]
    public async Task Whatever_step_fails_the_log_goes_on_and_nothing_acknowledged_is_lost()
    {
        // What fails while the log starts is the caller's to see; no segment is indexed or dropped because it must be.
        LogStep[] atStart = [LogStep.RewriteFrame, LogStep.ZeroTail, LogStep.SyncRecovery];
        var steps = Enum.GetValues<LogStep>().Except(atStart).ToArray();
        var struck = new HashSet<LogStep>();
        for (var seed = 0; seed < Seeds; seed++)
        {
            var step = steps[seed % steps.Length];
            using var story = new LogStory(seed, step);
            for (var fault = 0; fault < 3; fault++)
            {
                story.Disk.FailAt(step, story.Random.Next(1, step is LogStep.WriteFrame or LogStep.SyncFrame ? 20 : 4));
            }

            await OpenInTheEndAsync(story);
            await story.RunAsync(40);
            await story.CheckAsync();
            await story.CrashAsync(seed % 2 == 0 ? null : story.Random.NextDouble());
            await story.OpenAsync();
            await story.RunAsync(5);
            await story.CheckAsync();
            await story.CloseAsync();
            struck.UnionWith(story.Disk.Struck.Select(fault => fault.Step));
        }

        Assert.Equal(steps.Order(), struck.Order());
    }

    [Fact]
    public async Task A_failed_sync_refuses_what_was_pending_and_is_never_taken_for_a_success_later()
    {
        await using var log = await OpenAsync();
        await log.CommitAsync(P0, Text("before"));
        _disk.FailAt(LogStep.SyncFrame, _disk.Visits[LogStep.SyncFrame] + 1);
        var waiter = new CountingWaiter();

        var refused = await log.AppendAsync(P0, Text("refused"), waiter);

        var error = await Assert.ThrowsAsync<LogFailedException>(
            () => log.WaitForCommitAsync(refused, CancellationToken.None).AsTask());
        Assert.Equal(LogFaultKind.WriteFailed, error.Fault.Kind);
        await waiter.FailedAsync();
        Assert.True(Assert.Single(waiter.Failed).Committed < refused);
        await RecoveredAsync();
        await log.CommitAsync(P0, Text("after"));

        // The numbers go on without a gap, although the position that failed has been passed.
        Assert.Equal(["before", "after"], await ReadAsync(log));
        Assert.True(log.Committed > refused);
        await Assert.ThrowsAsync<LogFailedException>(() => log.WaitForCommitAsync(refused, CancellationToken.None).AsTask());
        Assert.Empty(waiter.Committed);
    }

    [Fact]
    public async Task What_a_failed_sync_left_in_the_file_is_not_read_after_a_restart()
    {
        var log = await OpenAsync();
        await log.CommitAsync(P0, Text("before"));
        _disk.FailAt(LogStep.SyncFrame, _disk.Visits[LogStep.SyncFrame] + 1);
        await log.AppendAsync(P0, Text("refused"));
        await RecoveredAsync();
        await log.CommitAsync(P0, Text("after"));
        _disk.TurnOff();
        await log.DisposeAsync();
        _disk.Kill(); // The system still has the whole of the refused batch.
        Assert.Contains("refused", Encoding.UTF8.GetString(_disk.ReadFile("000000000001.log")), StringComparison.Ordinal);

        await using var again = await OpenAsync();

        Assert.Equal(["before", "after"], await ReadAsync(again));
    }

    [Fact]
    public async Task A_frame_that_only_the_systems_memory_has_is_written_again_before_it_is_served()
    {
        var log = await OpenAsync();
        await log.CommitAsync(P0, Text("before"));
        _disk.FailAt(LogStep.SyncFrame, _disk.Visits[LogStep.SyncFrame] + 1);
        _disk.FailAt(LogStep.SyncHeader, _disk.Visits[LogStep.SyncHeader] + 1);
        await log.AppendAsync(P0, new byte[5000]);
        await FaultAsync();
        await FaultAsync();
        _disk.TurnOff();
        await log.DisposeAsync();
        _disk.Kill(); // In between: the batch lies whole in the system's memory, and partly on the disk.

        log = await OpenAsync();
        Assert.Equal(2, (await log.ReadAllAsync(P0)).Count);
        await log.CommitAsync(P0, Text("after"));
        _disk.TurnOff();
        await log.DisposeAsync();
        _disk.PowerCycle(keep: 0);

        await using var again = await OpenAsync();
        Assert.Equal(["before", Encoding.UTF8.GetString(new byte[5000]), "after"], await ReadAsync(again));
    }

    [Fact]
    public async Task Records_are_refused_while_no_new_segment_can_be_made_and_taken_again_when_one_can()
    {
        await using var log = await OpenAsync();
        await log.CommitAsync(P0, Text("before"));
        _disk.FailAt(LogStep.WriteFrame, _disk.Visits[LogStep.WriteFrame] + 1);
        _disk.FailAt(LogStep.SyncHeader, _disk.Visits[LogStep.SyncHeader] + 1);
        await log.AppendAsync(P0, Text("refused"));
        await FaultAsync(); // The batch,
        await FaultAsync(); // then the try to go on.

        Assert.Equal(AppendOutcome.Refused, log.TryAppend(P0, new RecordParts("x"u8), null, out _));
        Assert.Contains("the simulated disk", log.Fault?.Message, StringComparison.Ordinal);
        Assert.Equal(["before"], await ReadAsync(log));
        _time.Advance(TimeSpan.FromSeconds(1));
        await RecoveredAsync();
        await log.CommitAsync(P0, Text("after"));
        Assert.Equal(["before", "after"], await ReadAsync(log));
    }

    [Fact]
    public async Task A_segment_that_was_begun_in_vain_and_could_not_be_deleted_is_no_part_of_the_log()
    {
        var log = await OpenAsync();
        await log.CommitAsync(P0, Text("before"));
        _disk.FailAt(LogStep.SyncFrame, _disk.Visits[LogStep.SyncFrame] + 1);
        _disk.FailAt(LogStep.SyncSegmentName, _disk.Visits[LogStep.SyncSegmentName] + 1);
        _disk.FailAt(LogStep.Delete, 1);
        _disk.FailAt(LogStep.Delete, 2);
        await log.AppendAsync(P0, Text("refused"));
        await FaultAsync();
        await FaultAsync();
        _time.Advance(TimeSpan.FromSeconds(1));
        await RecoveredAsync();
        await log.CommitAsync(P0, Text("after"));
        await log.DisposeAsync();
        Assert.Contains("000000000002.log", _disk.List());

        await using var again = await OpenAsync();

        Assert.DoesNotContain("000000000002.log", _disk.List());
        Assert.Contains(_logger.Entries, entry => entry.Id == 6020);
        Assert.Equal(["before", "after"], await ReadAsync(again));
    }

    [Fact]
    public async Task A_full_disk_refuses_records_in_words_and_readers_go_on()
    {
        _disk.FreeBytes = 3 << 20;
        await using var log = await OpenAsync(reserve: 1 << 20);
        await log.CommitAsync(P0, Text("before"));

        _disk.FreeBytes = (1 << 20) - 1;
        _time.Advance(TimeSpan.FromSeconds(1));
        await FaultAsync();

        Assert.Equal(AppendOutcome.Refused, log.TryAppend(P0, new RecordParts("x"u8), null, out _));
        Assert.Equal(LogFaultKind.DiskFull, log.Fault?.Kind);
        Assert.Contains("Free some space", log.Fault!.Message, StringComparison.Ordinal);
        Assert.Equal(["before"], await ReadAsync(log));
        _disk.FreeBytes = 3 << 20;
        _time.Advance(TimeSpan.FromSeconds(1));
        await RecoveredAsync();
        await log.CommitAsync(P0, Text("after"));
        Assert.Equal(["before", "after"], await ReadAsync(log));
    }

    [Theory]
    [InlineData(LogStep.FillSpare, 2)]
    [InlineData(LogStep.WriteHeader, 2)]
    [InlineData(LogStep.WriteFrame, 9)]
    public async Task A_disk_that_fills_up_in_the_middle_of_a_step_costs_nothing_acknowledged(LogStep step, int visit)
    {
        using var story = new LogStory(7);
        await story.OpenAsync();
        story.Disk.FillUpAt(step, visit);

        await story.RunAsync(200);
        Assert.Equal(LogFaultKind.DiskFull, story.Fault?.Kind);
        await story.CheckAsync(isSettled: false);
        story.Disk.FreeBytes = 1 << 30;
        story.PassTime(TimeSpan.FromSeconds(1));
        await story.GoOnAsync();

        Assert.Null(story.Fault);
        await story.RunAsync(20);
        await story.CheckAsync();
        await story.CrashAsync(keep: 0);
        await story.OpenAsync();
        await story.CloseAsync();
    }

    [Fact]
    public async Task A_set_limit_counts_as_a_full_disk()
    {
        await using var log = await OpenAsync(limit: 200 << 10);
        var refused = false;
        for (var i = 0; i < 100 && !refused; i++)
        {
            try
            {
                await log.CommitAsync(P0, new byte[4000]);
            }
            catch (LogFailedException e)
            {
                Assert.Equal(LogFaultKind.DiskFull, e.Fault.Kind);
                Assert.Contains("has reached its limit", e.Message, StringComparison.Ordinal);
                refused = true;
            }
        }

        Assert.True(refused);
        Assert.InRange(log.TotalBytes, 100 << 10, 200 << 10);
    }

    // A first segment that can't be made is an error of the start, and the next start tries again.
    private static async Task OpenInTheEndAsync(LogStory story)
    {
        while (!story.IsOpen)
        {
            try
            {
                await story.OpenAsync();
            }
            catch (IOException e) when (e.Message.Contains("on purpose", StringComparison.Ordinal))
            {
            }
        }
    }

    private async Task<EmbeddedEventLog> OpenAsync(long reserve = 0, long? limit = null) => await EmbeddedEventLog.OpenAsync(
        new EventLogOptions
        {
            Streams = [new LogStream(0, "telemetry", 1)],
            SegmentBytes = 64 << 10,
            QuickSegmentBytes = 16 << 10,
            ReserveBytes = reserve,
            LimitBytes = limit,
            WorkInline = true,
            MaxLinger = TimeSpan.Zero,
            FaultChanged = fault => _faults.Writer.TryWrite(fault),
        },
        _disk,
        _time,
        _logger);

    private async Task RecoveredAsync()
    {
        while (await _faults.Reader.ReadAsync() is not null)
        {
        }
    }

    private async Task FaultAsync() => Assert.NotNull(await _faults.Reader.ReadAsync());

    private static byte[] Text(string text) => Encoding.UTF8.GetBytes(text);

    private static async Task<IEnumerable<string>> ReadAsync(EmbeddedEventLog log) =>
        (await log.ReadAllAsync(P0)).Select(record => Encoding.UTF8.GetString(record.Bytes));
}
