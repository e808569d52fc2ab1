using System.Text;
using Nave.EventLog.Tests.Harness;
using Nave.TestKit;

namespace Nave.EventLog.Tests.Format;

/// <summary>
/// Directories that earlier programs wrote can be opened: tests/data/eventlog-v1 was written by the first version of the
/// format, and stays as it is whatever comes after.
/// </summary>
public sealed class FormatVersion1Tests
{
    private const int Records = 40;
    private static readonly LogStream[] Streams = [new(0, "telemetry", 2), new(3, "events", 1)];
    private static readonly string Folder = Path.Combine(RepositoryRoot.Path, "tests", "data", "eventlog-v1");

    [Fact]
    public async Task A_directory_of_version_1_is_read_and_written_on()
    {
        await using var test = Prepare();
        foreach (var path in Directory.GetFiles(Folder, "0*"))
        {
            test.Disk.PutFile(Path.GetFileName(path), await File.ReadAllBytesAsync(path));
        }

        var log = await test.OpenAsync();

        for (ushort partition = 0; partition < 2; partition++)
        {
            var records = await log.ReadAllAsync(new LogPartition(0, partition));
            Assert.Equal(Records, records.Count);
            Assert.All(records, record => Assert.Equal(Body(partition, record.Sequence), Encoding.UTF8.GetString(record.Bytes)));
            Assert.Equal(test.Time.Start.ToUnixTimeMilliseconds(), records[0].Time);
        }

        await log.CommitAsync(new LogPartition(3, 0), "new"u8.ToArray());
        Assert.Equal(1, log.GetState(new LogPartition(3, 0)).FirstSequenceNumber + log.GetState(new LogPartition(3, 0)).NextSequenceNumber - 1);
    }

    /// <summary>Writes the directory again, only if somebody deleted it: for the day of a version 2.</summary>
    [Fact]
    public async Task The_directory_of_version_1_is_there()
    {
        if (Directory.GetFiles(Folder, "0*").Length == 0)
        {
            await using var test = Prepare();
            var log = await test.OpenAsync();
            for (var i = 0; i < Records; i++)
            {
                await log.CommitAsync(new LogPartition(0, 0), Encoding.UTF8.GetBytes(Body(0, i)));
                await log.CommitAsync(new LogPartition(0, 1), Encoding.UTF8.GetBytes(Body(1, i)));
                test.Time.Advance(TimeSpan.FromMilliseconds(10));
            }

            await log.CommitAsync(new LogPartition(3, 0), "old"u8.ToArray());
            await log.DisposeAsync();
            foreach (var name in test.Disk.List().Where(name => !name.EndsWith(".spare", StringComparison.Ordinal)))
            {
                await File.WriteAllBytesAsync(Path.Combine(Folder, name), test.Disk.ReadFile(name));
            }
        }

        Assert.Equal(
            ["000000000001.index", "000000000001.log", "000000000002.log"],
            Directory.GetFiles(Folder, "0*").Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal));
    }

    private static TestLog Prepare()
    {
        ulong key = 0;
        var test = new TestLog();
        test.Options = test.Options with
        {
            Streams = Streams,
            QuickSegmentBytes = 32 << 10,
            NewSegmentKey = () => ++key * 0x9E37_79B9_7F4A_7C15,
        };
        return test;
    }

    private static string Body(int partition, long number) => $"record {number} of partition {partition}, Grüße";
}
