using Nave.Bench.LogEngines;

namespace Nave.Bench.Tests.LogEngines;

public sealed class LogEnginesTests : IDisposable
{
    private const int RecordBytes = 100;
    private const int InFlight = 20;

    private readonly string _directory = Directory.CreateTempSubdirectory("nave-log-engines").FullName;

    [Theory]
    [InlineData(LogEngineCommand.Nave)]
    [InlineData(LogEngineCommand.FullNave)]
    [InlineData(LogEngineCommand.File)]
    [InlineData(LogEngineCommand.RocksDb)]
    [InlineData(LogEngineCommand.Sqlite)]
    public async Task Each_log_makes_what_a_loop_appends_durable_in_batches(string name)
    {
        await using var engine = await LogEngineCommand.OpenAsync(name, _directory, RecordBytes, InFlight, CancellationToken.None);
        using var loop = new AppendLoop(engine, RecordBytes, InFlight, TimeProvider.System);

        var latencies = loop.Run(TimeSpan.FromMilliseconds(50));
        loop.Drain();

        Assert.InRange(latencies.Count, 1, long.MaxValue);
        Assert.InRange(engine.Syncs, 1, latencies.Count + InFlight);
        Assert.InRange(latencies.Percentile(0.5), 1000, 60_000_000_000);
    }

    [Fact]
    public async Task A_failed_commit_ends_the_loop()
    {
        await using var engine = new BatchingEngine(new BrokenSink(), RecordBytes, InFlight);
        using var loop = new AppendLoop(engine, RecordBytes, InFlight, TimeProvider.System);

        var failure = Assert.Throws<IOException>(() => loop.Run(TimeSpan.FromSeconds(60)));

        Assert.Equal("no disk", failure.InnerException?.Message);
    }

    [Fact]
    public async Task No_record_is_left_out_of_the_batches()
    {
        var sink = new CountingSink();
        long appended;
        await using (var engine = new BatchingEngine(sink, RecordBytes, InFlight))
        {
            using var loop = new AppendLoop(engine, RecordBytes, InFlight, TimeProvider.System);
            appended = loop.Run(TimeSpan.FromMilliseconds(20)).Count;
            loop.Drain();
        }

        Assert.InRange(sink.Records, appended, appended + InFlight);
        Assert.InRange(sink.LargestBatch, 1, InFlight);
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private sealed class BrokenSink : IBatchSink
    {
        public void Commit(RecordsToCommit records) => throw new IOException("no disk");

        public void Dispose()
        {
        }
    }

    private sealed class CountingSink : IBatchSink
    {
        public long Records { get; private set; }

        public int LargestBatch { get; private set; }

        public void Commit(RecordsToCommit records)
        {
            Records += records.Count;
            LargestBatch = Math.Max(LargestBatch, records.Count);
            Assert.Equal(records.Count * RecordBytes, records.Bytes.Length);
        }

        public void Dispose()
        {
        }
    }
}
