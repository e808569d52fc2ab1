using System.Buffers;
using System.Text;
using Microsoft.Extensions.Time.Testing;
using Nave.TestKit;

namespace Nave.EventLog.Tests.Contract;

/// <summary>What every event log must do, whatever it is made of. One class per implementation derives from it.</summary>
public abstract class EventLogContractTests : IAsyncLifetime
{
    protected static readonly LogStream Telemetry = new(1, "telemetry", 4);
    protected static readonly LogStream Events = new(7, "events", 2);
    protected static readonly LogPartition P0 = new(1, 0);
    protected static readonly LogPartition P1 = new(1, 1);
    private IEventLog? _log;

    protected FakeTimeProvider Time { get; } = new(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));

    protected IEventLog Log => _log ?? throw new InvalidOperationException("Not open.");

    /// <summary>Opens the log on the data that this test has written so far; none at first.</summary>
    protected abstract Task<IEventLog> OpenAsync(IReadOnlyList<LogStream> streams);

    /// <summary>Called last, with the log closed.</summary>
    protected virtual Task FinishAsync() => Task.CompletedTask;

    public async ValueTask InitializeAsync() => _log = await OpenAsync([Telemetry, Events]);

    public async ValueTask DisposeAsync()
    {
        if (_log is not null)
        {
            await _log.DisposeAsync();
        }

        await FinishAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Records_are_read_back_as_they_were_appended_numbered_from_0()
    {
        await Log.CommitAsync(P0, Text("a"), Text("b"), Text("c"));

        var records = await Log.ReadAllAsync(P0);

        Assert.Equal(["a", "b", "c"], records.Select(record => Encoding.UTF8.GetString(record.Bytes)));
        Assert.Equal([0L, 1, 2], records.Select(record => record.Sequence));
    }

    [Fact]
    public async Task Whoever_has_waited_for_a_commit_finds_it_there_however_late_the_wait_began()
    {
        for (var next = 0; next < 500; next++)
        {
            var position = await Log.AppendAsync(P0, Text("r"));
            SpinWait.SpinUntil(() => Log.Committed >= position, TimeSpan.FromSeconds(30));

            await Log.WaitForCommitAsync(position, CancellationToken.None);

            Assert.Equal(next + 1, Log.GetState(P0).NextSequenceNumber);
        }
    }

    [Fact]
    public async Task The_parts_of_a_record_lie_one_behind_the_other()
    {
        var body = TwoSegments(Text("-bo"), Text("dy"));
        Log.TryAppend(P0, new RecordParts("one"u8, "-two"u8, "-three"u8, body), null, out var position);
        await Log.WaitForCommitAsync(position, CancellationToken.None);

        var record = Assert.Single(await Log.ReadAllAsync(P0));

        Assert.Equal("one-two-three-body", Encoding.UTF8.GetString(record.Bytes));
    }

    [Fact]
    public async Task An_empty_record_and_the_longest_one_are_records()
    {
        var longest = new byte[LogLimits.MaxRecordBytes];
        new Random(1).NextBytes(longest);
        await Log.CommitAsync(P0, [], longest, []);

        var records = await Log.ReadAllAsync(P0);

        Assert.Equal([0, LogLimits.MaxRecordBytes, 0], records.Select(record => record.Bytes.Length));
        Assert.Equal(longest, records[1].Bytes);
    }

    [Fact]
    public void A_longer_record_or_a_foreign_partition_is_a_mistake_of_the_caller()
    {
        Assert.Throws<ArgumentOutOfRangeException>(
            () => Log.TryAppend(P0, new RecordParts(new byte[LogLimits.MaxRecordBytes + 1]), null, out _));
        Assert.Throws<ArgumentOutOfRangeException>(() => Log.TryAppend(new LogPartition(1, 4), new RecordParts(default), null, out _));
        Assert.Throws<ArgumentOutOfRangeException>(() => Log.TryAppend(new LogPartition(2, 0), new RecordParts(default), null, out _));
        Assert.Throws<ArgumentOutOfRangeException>(() => Log.GetState(new LogPartition(9, 0)));
    }

    [Fact]
    public async Task Partitions_and_streams_are_numbered_apart()
    {
        await Log.CommitAsync(P0, Text("0"), Text("1"));
        await Log.CommitAsync(P1, Text("other"));
        await Log.CommitAsync(new LogPartition(7, 0), Text("event"));

        Assert.Equal(2, Log.GetState(P0).NextSequenceNumber);
        Assert.Equal(1, Log.GetState(P1).NextSequenceNumber);
        Assert.Equal("event", Encoding.UTF8.GetString(Assert.Single(await Log.ReadAllAsync(new LogPartition(7, 0))).Bytes));
        Assert.True(Log.GetState(new LogPartition(1, 3)).IsEmpty);
    }

    [Fact]
    public async Task Enqueued_times_follow_the_clock_but_never_go_back()
    {
        var start = Time.GetUtcNow().ToUnixTimeMilliseconds();
        await Log.CommitAsync(P0, Text("a"));
        Time.Advance(TimeSpan.FromMilliseconds(1500));
        await Log.CommitAsync(P0, Text("b"));
        Time.AdjustTime(Time.GetUtcNow() - TimeSpan.FromHours(1));
        await Log.CommitAsync(P0, Text("c"));

        var records = await Log.ReadAllAsync(P0);

        Assert.Equal([0L, 1500, 1500], records.Select(record => record.Time - start));
        Assert.Equal(start + 1500, Log.GetState(P0).LastEnqueuedTime!.Value.ToUnixTimeMilliseconds());
    }

    [Fact]
    public void An_empty_partition_says_so()
    {
        var state = Log.GetState(P0);

        Assert.True(state.IsEmpty);
        Assert.Equal(0, state.NextSequenceNumber);
        Assert.Null(state.LastEnqueuedTime);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(3, 3)]
    [InlineData(9, 9)]
    public async Task A_reader_starts_at_a_sequence_number(long from, long first)
    {
        await Log.CommitAsync(P0, [.. Enumerable.Range(0, 10).Select(i => Text($"{i}"))]);

        var records = await Log.ReadAllAsync(P0, ReadFrom.Sequence(from));

        Assert.Equal(first, records[0].Sequence);
        Assert.Equal(10 - first, records.Count);
    }

    [Fact]
    public async Task A_reader_starts_strictly_behind_a_time()
    {
        var start = Time.GetUtcNow();
        for (var i = 0; i < 5; i++)
        {
            await Log.CommitAsync(P0, Text($"{i}a"), Text($"{i}b"));
            await Log.CommitAsync(P1, Text("x"));
            Time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal(0, (await Log.ReadAllAsync(P0, ReadFrom.After(start.AddMilliseconds(-1))))[0].Sequence);
        Assert.Equal(2, (await Log.ReadAllAsync(P0, ReadFrom.After(start)))[0].Sequence);
        Assert.Equal(6, (await Log.ReadAllAsync(P0, ReadFrom.After(start.AddMilliseconds(2500))))[0].Sequence);
        Assert.Equal(8, (await Log.ReadAllAsync(P0, ReadFrom.After(start.AddMilliseconds(3999))))[0].Sequence);
    }

    [Fact]
    public async Task A_reader_that_starts_behind_a_later_time_waits_for_it()
    {
        await Log.CommitAsync(P0, Text("early"));
        using var reader = await Log.OpenReaderAsync(P0, ReadFrom.After(Time.GetUtcNow().AddSeconds(10)), CancellationToken.None);
        var read = reader.ReadAsync(10, CancellationToken.None).AsTask();

        await Log.CommitAsync(P0, Text("still too early"));
        Time.Advance(TimeSpan.FromSeconds(11));
        await Log.CommitAsync(P0, Text("late"));

        using var batch = await read;
        Assert.Equal(2, Assert.Single(batch.Records).SequenceNumber);
    }

    [Fact]
    public async Task A_reader_that_starts_at_the_end_sees_only_what_comes()
    {
        await Log.CommitAsync(P0, Text("before"));
        using var reader = await Log.OpenReaderAsync(P0, ReadFrom.End, CancellationToken.None);
        var read = reader.ReadAsync(10, CancellationToken.None).AsTask();
        Assert.False(read.IsCompleted);

        await Log.CommitAsync(P0, Text("after"));

        using var batch = await read;
        Assert.Equal("after", Encoding.UTF8.GetString(Assert.Single(batch.Records).Bytes.Span));
        Assert.Equal(2, reader.NextSequenceNumber);
    }

    [Fact]
    public async Task A_reader_takes_no_more_records_than_it_asked_for()
    {
        await Log.CommitAsync(P0, [.. Enumerable.Range(0, 10).Select(i => Text($"{i}"))]);
        using var reader = await Log.OpenReaderAsync(P0, ReadFrom.Beginning, CancellationToken.None);

        using var first = await reader.ReadAsync(4, CancellationToken.None);
        using var second = await reader.ReadAsync(4, CancellationToken.None);
        using var third = await reader.ReadAsync(4, CancellationToken.None);

        Assert.Equal([0L, 4, 8], new[] { first, second, third }.Select(batch => batch.Records[0].SequenceNumber));
        Assert.Equal([4, 4, 2], new[] { first, second, third }.Select(batch => batch.Records.Count));
    }

    [Fact]
    public async Task A_waiting_reader_can_be_stopped()
    {
        using var reader = await Log.OpenReaderAsync(P0, ReadFrom.Beginning, CancellationToken.None);
        using var stopping = new CancellationTokenSource();
        var read = reader.ReadAsync(1, stopping.Token).AsTask();

        await stopping.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read);
    }

    [Fact]
    public async Task A_waiter_is_told_once_for_each_batch_however_many_of_its_records_are_in_it()
    {
        var waiter = new CountingWaiter();
        var positions = new HashSet<LogPosition>();
        for (var i = 0; i < 200; i++)
        {
            positions.Add(await Log.AppendAsync(i % 2 == 0 ? P0 : P1, Text("r"), waiter));
        }

        await waiter.ReachedAsync(positions.Max());

        Assert.Equal(positions.Order(), waiter.Committed);
        Assert.True(Log.Committed >= positions.Max());
    }

    [Fact]
    public async Task Records_of_one_appender_to_one_partition_keep_their_order()
    {
        await Task.WhenAll(Enumerable.Range(0, 4).Select(appender => Task.Run(async () =>
        {
            for (var i = 0; i < 500; i++)
            {
                await Log.AppendAsync(P0, Text($"{appender}:{i}"));
            }
        })));
        await Log.CommitAsync(P0, Text("last:0"));

        var records = await Log.ReadAllAsync(P0);

        Assert.Equal(2001, records.Count);
        foreach (var own in records.Select(record => Encoding.UTF8.GetString(record.Bytes).Split(':')).GroupBy(parts => parts[0]))
        {
            Assert.Equal(Enumerable.Range(0, own.Count()).Select(i => $"{i}"), own.Select(parts => parts[1]));
        }
    }

    [Fact]
    public async Task A_log_that_was_closed_and_opened_again_goes_on_where_it_was()
    {
        await Log.CommitAsync(P0, Text("a"), Text("b"));
        var committed = Log.Committed;
        var time = Log.GetState(P0).LastEnqueuedTime;

        await ReopenAsync([Telemetry, Events]);

        Assert.Equal(new PartitionState(0, 2, time), Log.GetState(P0));
        Assert.True(Log.Committed >= committed);
        await Log.CommitAsync(P0, Text("c"));
        Assert.Equal(["a", "b", "c"], (await Log.ReadAllAsync(P0)).Select(record => Encoding.UTF8.GetString(record.Bytes)));
    }

    [Fact]
    public async Task A_stream_can_be_added_left_out_and_named_again()
    {
        await Log.CommitAsync(new LogPartition(7, 1), Text("kept"));
        var added = new LogStream(3, "added", 1);

        await ReopenAsync([Telemetry, added]);
        await Log.CommitAsync(new LogPartition(3, 0), Text("new"));
        await ReopenAsync([Telemetry, added, Events]);

        Assert.Equal("new", Encoding.UTF8.GetString(Assert.Single(await Log.ReadAllAsync(new LogPartition(3, 0))).Bytes));
        Assert.Equal("kept", Encoding.UTF8.GetString(Assert.Single(await Log.ReadAllAsync(new LogPartition(7, 1))).Bytes));
        await Log.CommitAsync(new LogPartition(7, 1), Text("next"));
        Assert.Equal(2, Log.GetState(new LogPartition(7, 1)).NextSequenceNumber);
    }

    [Fact]
    public async Task Another_partition_count_on_existing_data_is_refused_in_words()
    {
        await Log.CommitAsync(P0, Text("a"));

        var error = await Assert.ThrowsAsync<LogOpenException>(() => ReopenAsync([new LogStream(1, "telemetry", 8), Events]));

        Assert.Contains("'telemetry' has 4 partitions", error.Message, StringComparison.Ordinal);
        Assert.Contains("set it back to 4", error.Message, StringComparison.Ordinal);
        await ReopenAsync([Telemetry, Events]);
        Assert.Single(await Log.ReadAllAsync(P0));
    }

    [Fact]
    public async Task Closing_commits_what_was_taken_and_ends_waiting_readers()
    {
        using var reader = await Log.OpenReaderAsync(P1, ReadFrom.Beginning, CancellationToken.None);
        var read = reader.ReadAsync(1, CancellationToken.None).AsTask();
        var waiter = new CountingWaiter();
        var position = await Log.AppendAsync(P0, Text("in time"), waiter);

        await Log.DisposeAsync();

        Assert.Equal([position], waiter.Committed);
        Assert.Equal(AppendOutcome.Refused, Log.TryAppend(P0, new RecordParts("late"u8), null, out _));
        Assert.Equal(LogFaultKind.Stopping, Log.Fault?.Kind);
        await Assert.ThrowsAsync<LogFailedException>(() => read);
        await ReopenAsync([Telemetry, Events]);
        Assert.Single(await Log.ReadAllAsync(P0));
    }

    protected static byte[] Text(string text) => Encoding.UTF8.GetBytes(text);

    protected async Task ReopenAsync(IReadOnlyList<LogStream> streams)
    {
        if (_log is not null)
        {
            await _log.DisposeAsync();
        }

        _log = null;
        _log = await OpenAsync(streams);
    }

    private static ReadOnlySequence<byte> TwoSegments(byte[] first, byte[] second)
    {
        var end = new Piece(second, first.Length, null);
        return new ReadOnlySequence<byte>(new Piece(first, 0, end), 0, end, second.Length);
    }

    private sealed class Piece : ReadOnlySequenceSegment<byte>
    {
        public Piece(byte[] bytes, long index, Piece? next) => (Memory, RunningIndex, Next) = (bytes, index, next);
    }
}
