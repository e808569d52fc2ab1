using Nave.EventLog.Format;
using Nave.TestKit;

namespace Nave.EventLog.Tests.Format;

public sealed class SegmentHeaderTests
{
    [Fact]
    public void A_header_is_read_as_it_was_written()
    {
        var header = Header();

        var read = SegmentHeader.Read(FileOf(header.ToBytes()), "here");

        Assert.Equal(header with { Streams = read.Streams, Marks = read.Marks }, read);
        Assert.Equal(header.Streams, read.Streams);
        Assert.Equal(header.Marks.Next, read.Marks.Next);
        Assert.Equal(header.Marks.Time, read.Marks.Time);
    }

    [Fact]
    public void Every_flipped_bit_of_a_header_is_noticed()
    {
        var bytes = Header().ToBytes();
        for (var at = 0; at < bytes.Length; at += at < 200 ? 1 : 61)
        {
            bytes[at] ^= 4;
            var error = Record.Exception(() => SegmentHeader.Read(FileOf(bytes), "here"));
            Assert.True(error is LogCorruptException or LogOpenException, $"Byte {at}: {error}");
            Assert.Contains("here", error.Message, StringComparison.Ordinal);
            bytes[at] ^= 4;
        }
    }

    [Fact]
    public void All_partitions_of_all_streams_fit_into_the_longest_header() =>
        Assert.InRange(SegmentHeader.BytesFor(LogLimits.MaxStreams, LogLimits.MaxStreams * LogLimits.MaxPartitions), 1, SegmentHeader.MaxBytes);

    private static ILogFile FileOf(byte[] bytes)
    {
        var disk = new SimulatedDisk();
        disk.PutFile("x", bytes);
        return disk.Open("x");
    }

    private static SegmentHeader Header()
    {
        var marks = new PartitionMarks(3);
        (marks.Next[1], marks.Time[1], marks.Next[2]) = (5_000_000_000, 1_772_000_000_000, 7);
        return new SegmentHeader
        {
            Identity = new SegmentIdentity(12, 0xFEDC_BA98_7654_3210),
            FirstFrame = 900,
            Capacity = 64 << 20,
            CreatedTime = 1_772_000_000_001,
            PreviousId = 10,
            PreviousEnd = 4_608,
            PreviousFrame = 899,
            PreviousCause = SegmentEndCause.WriteFailed,
            Streams = [new StoredStream(0, 2), new StoredStream(9, 1)],
            Marks = marks,
        };
    }
}
