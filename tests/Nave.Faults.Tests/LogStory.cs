using System.Buffers.Binary;
using System.Threading.Channels;
using Microsoft.Extensions.Time.Testing;
using Nave.EventLog;
using Nave.TestKit;

namespace Nave.Faults.Tests;

/// <summary>
/// A log on a simulated disk, driven by one seed so that a story can be told again: the commit thread is held before it
/// writes a batch until the next batch has been filled. Knows what was acknowledged, and compares it with what is there
/// after each start.
/// </summary>
internal sealed class LogStory : IDisposable
{
    private static readonly LogStream[] Streams = [new(0, "telemetry", 3), new(5, "events", 1)];
    private static readonly LogPartition[] Partitions = [new(0, 0), new(0, 1), new(0, 2), new(5, 0)];

    private readonly Random _random;
    private readonly StrictLogger _logger = new(6002, 6015); // A batch refused, damage found: what the faults are for.
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 3, 1, 0, 0, 0, TimeSpan.Zero));
    private SemaphoreSlim _proceed = new(0);
    private readonly Dictionary<LogPartition, List<byte[]>> _acknowledged = Partitions.ToDictionary(partition => partition, _ => new List<byte[]>());
    private readonly List<(LogPosition Position, LogPartition Partition, byte[] Bytes)> _pending = [];
    private Channel<StoryEvent> _events = Channel.CreateUnbounded<StoryEvent>();
    private CountingWaiter _waiter = new();
    private EmbeddedEventLog? _log;
    private readonly int _sortAbove;
    private ulong _lastKey;

    /// <param name="seed">Of everything that is left to chance.</param>
    /// <param name="struck">A step that the story has to come by: sorted segments are not used again, others not sorted.</param>
    public LogStory(int seed, LogStep? struck = null)
    {
        _sortAbove = struck switch
        {
            LogStep.RecycleSegment => 8,
            LogStep.WriteSorted or LogStep.SyncSorted or LogStep.NameSorted or LogStep.SyncSortedName => 0,
            _ => seed % 2 == 0 ? 8 : 0,
        };
        _random = new Random(seed);
        Disk = new SimulatedDisk(seed) { Reached = Hold };
    }

    public SimulatedDisk Disk { get; }

    public Random Random => _random;

    public int Acknowledged => _acknowledged.Values.Sum(records => records.Count);

    public bool IsOpen => _log is not null;

    public LogFault? Fault => _log?.Fault;

    /// <summary>Starts the log and checks that what it has is what it acknowledged. Throws what the start throws.</summary>
    public async Task OpenAsync()
    {
        _events = Channel.CreateUnbounded<StoryEvent>();
        _waiter = new CountingWaiter();
        var options = new EventLogOptions
        {
            Streams = Streams,
            SegmentBytes = 64 << 10,
            QuickSegmentBytes = 24 << 10,
            RetentionBytes = (_sortAbove > 0 ? 160 : 320) << 10,
            ReserveBytes = 0,
            TailBytes = 8 << 10,
            MaxLinger = TimeSpan.Zero,
            WorkInline = true,
            SortAbovePartitions = _sortAbove,
            NewSegmentKey = () => ++_lastKey * 0x9E37_79B9_7F4A_7C15,
            FaultChanged = fault => _events.Writer.TryWrite(fault is null ? StoryEvent.Recovered : StoryEvent.Failed),
        };
        _log = await EmbeddedEventLog.OpenAsync(options, Disk, _time, _logger);
        await CheckAsync();
    }

    /// <summary>Commits so many batches of random records, or stops when the power goes.</summary>
    public async Task RunAsync(int batches)
    {
        while (batches > 0 && !Disk.IsOff && _log is { Fault: null } log)
        {
            await AppendAsync(log, records: 1);
            if (await NextAsync() is not StoryEvent.AtGate)
            {
                await GoOnAsync();
                continue;
            }

            // From here on the commit thread is held before each write, with the batch that was filled meanwhile.
            while (--batches > 0)
            {
                await AppendAsync(log, _random.Next(1, 12));
                _proceed.Release();
                if (await NextAsync() is not StoryEvent.AtGate)
                {
                    break;
                }
            }

            if (batches > 0)
            {
                await GoOnAsync();
                continue;
            }

            await FinishAsync(log);
        }

        NoteAcknowledged();
    }

    /// <summary>Lets an hour pass, second by second for the keeper, which retries and drops.</summary>
    public void PassTime(TimeSpan time) => _time.Advance(time);

    /// <summary>Ends the log as a crash does: whatever it still tries fails. Null for a kill, which loses no write.</summary>
    public async Task CrashAsync(double? keep)
    {
        Disk.TurnOff();
        await CloseAsync();
        if (keep is { } probability)
        {
            Disk.PowerCycle(probability);
        }
        else
        {
            Disk.Kill();
        }
    }

    /// <summary>Ends the log in good order.</summary>
    public async Task CloseAsync()
    {
        if (_log is { } log)
        {
            _proceed.Release(1000);
            await log.DisposeAsync();
            _proceed.Dispose();
            _proceed = new SemaphoreSlim(0);
        }

        _log = null;
        NoteAcknowledged();
    }

    /// <summary>Reads everything and compares it with what was acknowledged, and with what may be there besides.</summary>
    /// <param name="isSettled">False while batches that were refused may turn up after a crash.</param>
    public async Task CheckAsync(bool isSettled = true)
    {
        NoteAcknowledged();
        var extra = new Dictionary<LogPartition, List<byte[]>>();
        foreach (var partition in Partitions)
        {
            var known = _acknowledged[partition];
            var state = _log!.GetState(partition);
            Assert.True(
                state.NextSequenceNumber >= known.Count,
                $"{partition} has {state.NextSequenceNumber} records, {known.Count} were acknowledged.");
            var records = await _log.ReadAllAsync(partition, maxRecords: _random.Next(1, 50));
            Assert.Equal(state.NextSequenceNumber - state.FirstSequenceNumber, records.Count);
            var time = 0L;
            for (var i = 0; i < records.Count; i++)
            {
                Assert.Equal(state.FirstSequenceNumber + i, records[i].Sequence);
                Assert.True(records[i].Time >= time, "Times went back.");
                time = records[i].Time;
                if (records[i].Sequence < known.Count)
                {
                    Assert.True(known[(int)records[i].Sequence].AsSpan().SequenceEqual(records[i].Bytes), $"Record {records[i].Sequence} of {partition} is another one.");
                }
            }

            extra[partition] = [.. records.Where(record => record.Sequence >= known.Count).Select(record => record.Bytes)];
        }

        if (isSettled)
        {
            CheckExtra(extra);
        }
        else
        {
            Assert.All(extra.Values, Assert.Empty);
        }
    }

    public void Dispose()
    {
        _logger.ThrowIfUnexpected();
        _proceed.Dispose();
    }

    // What was written but not acknowledged may be there after a crash: the whole of one batch, the first that was open.
    private void CheckExtra(Dictionary<LogPartition, List<byte[]>> extra)
    {
        if (extra.Values.Any(records => records.Count > 0))
        {
            var first = _pending.Min(record => record.Position);
            foreach (var partition in Partitions)
            {
                var batch = _pending.Where(record => record.Position == first && record.Partition == partition).Select(record => record.Bytes).ToList();
                Assert.Equal(batch.Count, extra[partition].Count);
                for (var i = 0; i < batch.Count; i++)
                {
                    Assert.True(batch[i].AsSpan().SequenceEqual(extra[partition][i]), $"Something else lies behind what {partition} acknowledged.");
                }

                _acknowledged[partition].AddRange(batch);
            }
        }

        _pending.Clear();
    }

    private async Task AppendAsync(EmbeddedEventLog log, int records)
    {
        for (var i = 0; i < records; i++)
        {
            var partition = Partitions[_random.Next(Partitions.Length)];
            var bytes = new byte[_random.Next(10) == 0 ? _random.Next(8, 6000) : _random.Next(8, 400)];
            _random.NextBytes(bytes);
            BinaryPrimitives.WriteInt64LittleEndian(bytes, _random.NextInt64());
            _pending.Add((await log.AppendAsync(partition, bytes, _waiter), partition, bytes));
        }

        if (_random.Next(4) == 0)
        {
            _time.Advance(TimeSpan.FromMilliseconds(_random.Next(1, 900)));
        }
    }

    /// <summary>
    /// After a failure: without power or space there is no going on; otherwise the log goes on by itself. What was
    /// refused is then known not to be there; until then a crash may still leave the whole of it.
    /// </summary>
    public async Task GoOnAsync()
    {
        while (!Disk.IsOff)
        {
            if (await NextAsync() is StoryEvent.Recovered)
            {
                break;
            }

            if (Disk.IsOff || Disk.FreeBytes == 0)
            {
                return;
            }

            PassTime(TimeSpan.FromSeconds(1)); // Going on has failed too: the keeper asks for another try.
        }

        if (Disk.IsOff)
        {
            return;
        }

        NoteAcknowledged();
        _pending.Clear();
    }

    private async Task FinishAsync(EmbeddedEventLog log)
    {
        _proceed.Release();
        try
        {
            await log.WaitForCommitAsync(_pending[^1].Position, CancellationToken.None);
        }
        catch (LogFailedException)
        {
            await NextAsync();
            await GoOnAsync();
        }
    }

    private void NoteAcknowledged()
    {
        var committed = _waiter.Committed.ToHashSet();
        foreach (var (_, partition, bytes) in _pending.Where(record => committed.Contains(record.Position)))
        {
            _acknowledged[partition].Add(bytes);
        }

        _pending.RemoveAll(record => committed.Contains(record.Position));
    }

    private async Task<StoryEvent> NextAsync() => await _events.Reader.ReadAsync();

    private void Hold(LogStep step)
    {
        if (step is LogStep.WriteFrame)
        {
            _events.Writer.TryWrite(StoryEvent.AtGate);
            _proceed.Wait();
        }
    }
}

/// <summary>What the log's threads tell a story.</summary>
internal enum StoryEvent
{
    /// <summary>The commit thread is about to write a batch.</summary>
    AtGate,

    /// <summary>A batch was refused, or going on failed.</summary>
    Failed,

    /// <summary>The log takes records again.</summary>
    Recovered,
}
