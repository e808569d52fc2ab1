using Nave.EventLog.Format;

namespace Nave.EventLog.Tests.Format;

public sealed class FrameFormatTests
{
    private static readonly SegmentIdentity Segment = new(3, 0x1122_3344_5566_7788);

    [Fact]
    public void The_checksum_is_CRC32C_as_RFC_3720_has_it()
    {
        Assert.Equal(0x8A91_36AAu, Crc32C.Of(new byte[32]));
        Assert.Equal(0x62A8_AB43u, Crc32C.Of([.. Enumerable.Repeat((byte)0xFF, 32)]));
        Assert.Equal(0x46DD_794Eu, Crc32C.Of([.. Enumerable.Range(0, 32).Select(i => (byte)i)]));
        Assert.Equal(0xE306_9283u, Crc32C.Of("123456789"u8));
    }

    [Fact]
    public void A_frame_is_read_as_it_was_written()
    {
        var frame = WriteFrame(out var runs);

        Assert.True(FrameFormat.TryRead(frame, Segment, out var header));
        Assert.Equal(17, header.Number);
        Assert.Equal(frame.Length, header.TotalBytes);
        Assert.Equal(runs[0], FrameFormat.ReadRun(frame, 0));
        Assert.Equal(runs[1], FrameFormat.ReadRun(frame, 1));
        Assert.True(FrameFormat.IsWhole(frame, header));
    }

    [Fact]
    public void Every_flipped_bit_of_a_frame_is_noticed_except_in_its_padding()
    {
        var frame = WriteFrame(out _);
        FrameFormat.TryRead(frame, Segment, out var header);
        var spare = header.HeaderBytes - 4; // Behind the header's checksum.
        for (var at = 0; at < header.HeaderBytes + header.BodyBytes; at++)
        {
            for (var bit = 0; bit < 8 && (at < spare || at >= header.HeaderBytes); bit++)
            {
                frame[at] ^= (byte)(1 << bit);
                Assert.False(FrameFormat.TryRead(frame, Segment, out var read) && FrameFormat.IsWhole(frame, read), $"Byte {at}, bit {bit}");
                frame[at] ^= (byte)(1 << bit);
            }
        }
    }

    [Fact]
    public void Every_piece_of_a_frame_is_no_whole_frame()
    {
        var frame = WriteFrame(out _);
        FrameFormat.TryRead(frame, Segment, out var header);
        for (var length = 0; length < header.HeaderBytes + header.BodyBytes; length++)
        {
            Assert.False(FrameFormat.TryRead(frame.AsSpan(0, length), Segment, out var read) && FrameFormat.IsWhole(frame.AsSpan(0, length), read));
        }
    }

    [Fact]
    public void A_frame_of_another_segment_is_none()
    {
        var frame = WriteFrame(out _);

        Assert.False(FrameFormat.TryRead(frame, Segment with { Key = 1 }, out _));
        Assert.False(FrameFormat.TryRead(frame, Segment with { Id = 4 }, out _));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Any_bytes_are_a_frame_or_none_and_never_an_exception(int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < 20_000; i++)
        {
            var frame = WriteFrame(out _);
            for (var changes = random.Next(1, 20); changes > 0; changes--)
            {
                frame[random.Next(200)] = (byte)random.Next(256);
            }

            // Random lengths with a checksum that fits: what a reader believes must still be bounded.
            var headerBytes = FrameFormat.PeekHeaderBytes(frame, Segment);
            if (headerBytes > 0 && headerBytes <= frame.Length)
            {
                BitConverter.TryWriteBytes(frame.AsSpan(headerBytes - 8), Crc32C.Of(frame.AsSpan(0, headerBytes - 8)));
            }

            if (FrameFormat.TryRead(frame, Segment, out var header))
            {
                FrameFormat.IsWhole(frame, header);
            }
        }
    }

    private static byte[] WriteFrame(out FrameRun[] runs)
    {
        LogPartition[] partitions = [new(0, 1), new(7, 3)];
        var body = new List<byte>();
        runs = new FrameRun[2];
        for (var run = 0; run < 2; run++)
        {
            var start = body.Count;
            for (var i = 0; i < 3; i++)
            {
                var bytes = new byte[10 + (i * 7)];
                new Random(run + i).NextBytes(bytes);
                var header = new byte[RecordFormat.HeaderBytes];
                RecordFormat.WriteHeader(header, bytes.Length, Crc32C.Add(Crc32C.Start, bytes), partitions[run], 100 + i, 5000 + i);
                body.AddRange(header);
                body.AddRange(bytes);
            }

            runs[run] = new FrameRun(partitions[run], 3, body.Count - start, 100, 5000, 5002);
        }

        var frame = new byte[FrameFormat.RoundUp(FrameFormat.HeaderBytes(2) + body.Count)];
        FrameFormat.WriteHeader(frame, Segment, 17, body.Count, runs);
        body.CopyTo(frame, FrameFormat.HeaderBytes(2));
        return frame;
    }
}
