using Microsoft.Extensions.Time.Testing;
using Nave.TestKit;

namespace Nave.EventLog.Tests;

/// <summary>Random operations with a seed, compared with a model that is a list per partition.</summary>
public sealed class RandomOperationsTests
{
    private static readonly LogStream[] Streams = [new(0, "telemetry", 5), new(2, "events", 2), new(9, "operations", 1)];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task The_log_answers_as_lists_in_memory_would(int seed)
    {
        var random = new Random(seed);
        var disk = new SimulatedDisk(seed);
        var logger = new StrictLogger();
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 3, 1, 0, 0, 0, TimeSpan.Zero));
        var options = new EventLogOptions
        {
            Streams = Streams,
            SegmentBytes = 128 << 10,
            QuickSegmentBytes = 64 << 10,
            BatchBytes = random.Next(2000, 40_000),
            TailBytes = random.Next(1000, 60_000),
        };
        var partitions = Streams.SelectMany(stream => Enumerable.Range(0, stream.Partitions).Select(i => new LogPartition(stream.Id, (ushort)i))).ToArray();
        var model = partitions.ToDictionary(partition => partition, _ => new List<(long Time, byte[] Bytes)>());
        var log = await EmbeddedEventLog.OpenAsync(options, disk, time, logger);

        for (var step = 0; step < 400; step++)
        {
            var partition = partitions[random.Next(partitions.Length)];
            switch (random.Next(20))
            {
                case < 10:
                    var position = default(LogPosition);
                    for (var i = random.Next(1, 30); i > 0; i--)
                    {
                        partition = partitions[random.Next(partitions.Length)];
                        var bytes = new byte[random.Next(50) == 0 ? random.Next(60_000) : random.Next(500)];
                        random.NextBytes(bytes);
                        var last = model[partition].Count > 0 ? model[partition][^1].Time : long.MinValue;
                        model[partition].Add((Math.Max(last, time.GetUtcNow().ToUnixTimeMilliseconds()), bytes));
                        position = await log.AppendAsync(partition, bytes);
                    }

                    await log.WaitForCommitAsync(position, CancellationToken.None);
                    break;
                case < 12:
                    time.Advance(TimeSpan.FromMilliseconds(random.Next(2000)));
                    break;
                case 12:
                    time.AdjustTime(time.GetUtcNow() - TimeSpan.FromMilliseconds(random.Next(3000)));
                    break;
                case < 16 when model[partition].Count > 0:
                    var from = random.Next(model[partition].Count);
                    var bySequence = await log.ReadAllAsync(partition, ReadFrom.Sequence(from), random.Next(1, 100));
                    Compare(model[partition], from, bySequence);
                    break;
                case < 19 when model[partition].Count > 0:
                    var after = model[partition][random.Next(model[partition].Count)].Time + random.Next(-1, 2);
                    var first = model[partition].FindIndex(record => record.Time > after);
                    if (first >= 0)
                    {
                        Compare(model[partition], first, await log.ReadAllAsync(partition, ReadFrom.After(DateTimeOffset.FromUnixTimeMilliseconds(after))));
                    }

                    break;
                case 19 when random.Next(4) == 0:
                    await log.DisposeAsync();
                    log = await EmbeddedEventLog.OpenAsync(options, disk, time, logger);
                    break;
            }
        }

        foreach (var partition in partitions)
        {
            Assert.Equal(model[partition].Count, log.GetState(partition).NextSequenceNumber);
            Compare(model[partition], 0, await log.ReadAllAsync(partition));
        }

        await log.DisposeAsync();
        logger.ThrowIfUnexpected();
    }

    private static void Compare(List<(long Time, byte[] Bytes)> model, int from, List<(long Sequence, long Time, byte[] Bytes)> read)
    {
        Assert.Equal(model.Count - from, read.Count);
        for (var i = 0; i < read.Count; i++)
        {
            Assert.Equal(from + i, read[i].Sequence);
            Assert.Equal(model[from + i].Time, read[i].Time);
            Assert.True(model[from + i].Bytes.AsSpan().SequenceEqual(read[i].Bytes), $"Record {from + i} is another one.");
        }
    }
}
