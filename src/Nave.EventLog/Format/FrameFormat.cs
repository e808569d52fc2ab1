using System.Buffers.Binary;

namespace Nave.EventLog.Format;

/// <summary>
/// One committed batch on disk: a header (which segment, which frame, a table of runs, checksum), then the runs one
/// behind the other. A frame begins and ends at a sector, so that writing one never touches what another has synced.
/// </summary>
/// <remarks>
/// Header: magic (4), header bytes (4), segment key (8), segment id (8), frame number (8), body bytes (4), runs (4), then
/// 40 bytes a run, then checksum (4) and 4 spare bytes. Run: stream (2), partition (2), records (4), bytes (4), spare
/// (4), first sequence number (8), first time (8), last time (8).
/// </remarks>
internal static class FrameFormat
{
    /// <summary>"NFR1", little-endian.</summary>
    public const uint Magic = 0x3152_464E;

    /// <summary>What disks write whole or not at all.</summary>
    public const int SectorBytes = 512;

    public const int FixedBytes = 40;
    public const int RunBytes = 40;
    public const int ChecksumBytes = 8;

    /// <summary>More runs than all partitions of all streams can't be in a frame.</summary>
    public const int MaxRuns = LogLimits.MaxStreams * LogLimits.MaxPartitions;

    public static int HeaderBytes(int runs) => FixedBytes + (runs * RunBytes) + ChecksumBytes;

    public static long RoundUp(long bytes) => (bytes + SectorBytes - 1) & -SectorBytes;

    public static void WriteHeader(Span<byte> target, in SegmentIdentity segment, long number, int bodyBytes, ReadOnlySpan<FrameRun> runs)
    {
        var headerBytes = HeaderBytes(runs.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(target, Magic);
        BinaryPrimitives.WriteInt32LittleEndian(target[4..], headerBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(target[8..], segment.Key);
        BinaryPrimitives.WriteInt64LittleEndian(target[16..], segment.Id);
        BinaryPrimitives.WriteInt64LittleEndian(target[24..], number);
        BinaryPrimitives.WriteInt32LittleEndian(target[32..], bodyBytes);
        BinaryPrimitives.WriteInt32LittleEndian(target[36..], runs.Length);
        for (var i = 0; i < runs.Length; i++)
        {
            runs[i].Write(target[(FixedBytes + (i * RunBytes))..]);
        }

        var checksum = Crc32C.Of(target[..(headerBytes - ChecksumBytes)]);
        BinaryPrimitives.WriteUInt32LittleEndian(target[(headerBytes - ChecksumBytes)..], checksum);
        BinaryPrimitives.WriteUInt32LittleEndian(target[(headerBytes - ChecksumBytes + 4)..], 0);
    }

    /// <summary>
    /// Reads how long the header is, from its first <see cref="FixedBytes"/> bytes; 0 when no frame of this segment
    /// begins here. The rest is believed only after <see cref="TryRead"/>.
    /// </summary>
    public static int PeekHeaderBytes(ReadOnlySpan<byte> bytes, in SegmentIdentity segment)
    {
        if (bytes.Length < FixedBytes
            || BinaryPrimitives.ReadUInt32LittleEndian(bytes) != Magic
            || BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]) != segment.Key
            || BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]) != segment.Id)
        {
            return 0;
        }

        var runs = BinaryPrimitives.ReadInt32LittleEndian(bytes[36..]);
        var headerBytes = BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]);
        return runs is >= 1 and <= MaxRuns && headerBytes == HeaderBytes(runs) ? headerBytes : 0;
    }

    /// <summary>Reads a header of which all bytes are there.</summary>
    public static bool TryRead(ReadOnlySpan<byte> bytes, in SegmentIdentity segment, out FrameHeader header)
    {
        header = default;
        var headerBytes = PeekHeaderBytes(bytes, segment);
        if (headerBytes == 0 || bytes.Length < headerBytes
            || BinaryPrimitives.ReadUInt32LittleEndian(bytes[(headerBytes - ChecksumBytes)..])
                != Crc32C.Of(bytes[..(headerBytes - ChecksumBytes)]))
        {
            return false;
        }

        header = new FrameHeader(
            BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]),
            headerBytes,
            BinaryPrimitives.ReadInt32LittleEndian(bytes[32..]),
            BinaryPrimitives.ReadInt32LittleEndian(bytes[36..]));
        return header.BodyBytes >= 0;
    }

    /// <summary>Reads one entry of the table of runs.</summary>
    public static FrameRun ReadRun(ReadOnlySpan<byte> frame, int index) => FrameRun.Read(frame[(FixedBytes + (index * RunBytes))..]);

    /// <summary>Whether every record of the frame is what was written. The header has been read from the same bytes.</summary>
    public static bool IsWhole(ReadOnlySpan<byte> frame, in FrameHeader header)
    {
        var offset = header.HeaderBytes;
        var end = (long)header.HeaderBytes + header.BodyBytes;
        if (end > frame.Length)
        {
            return false;
        }

        for (var i = 0; i < header.Runs; i++)
        {
            var run = ReadRun(frame, i);
            if (run.Bytes < 0 || run.Bytes > end - offset || !IsWhole(frame.Slice(offset, run.Bytes), run))
            {
                return false;
            }

            offset += run.Bytes;
        }

        return offset == end;
    }

    private static bool IsWhole(ReadOnlySpan<byte> run, in FrameRun header)
    {
        for (var i = 0; i < header.Records; i++)
        {
            if (run.Length < RecordFormat.HeaderBytes)
            {
                return false;
            }

            var length = RecordFormat.ReadLength(run);
            if (!RecordFormat.IsPlausible(length, run.Length)
                || !RecordFormat.Matches(run, length, header.Partition, header.FirstSequence + i))
            {
                return false;
            }

            run = run[(RecordFormat.HeaderBytes + length)..];
        }

        return run.IsEmpty;
    }
}

/// <summary>What makes a segment's frames its own: nobody outside can guess the key.</summary>
internal readonly record struct SegmentIdentity(long Id, ulong Key);

/// <summary>A frame's header without its table of runs.</summary>
internal readonly record struct FrameHeader(long Number, int HeaderBytes, int BodyBytes, int Runs)
{
    /// <summary>What the frame takes in the file.</summary>
    public long TotalBytes => FrameFormat.RoundUp((long)HeaderBytes + BodyBytes);
}

/// <summary>The records of one partition in a frame.</summary>
internal readonly record struct FrameRun(LogPartition Partition, int Records, int Bytes, long FirstSequence, long FirstTime, long LastTime)
{
    public long NextSequence => FirstSequence + Records;

    public void Write(Span<byte> target)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(target, Partition.Stream);
        BinaryPrimitives.WriteUInt16LittleEndian(target[2..], Partition.Partition);
        BinaryPrimitives.WriteInt32LittleEndian(target[4..], Records);
        BinaryPrimitives.WriteInt32LittleEndian(target[8..], Bytes);
        BinaryPrimitives.WriteInt32LittleEndian(target[12..], 0);
        BinaryPrimitives.WriteInt64LittleEndian(target[16..], FirstSequence);
        BinaryPrimitives.WriteInt64LittleEndian(target[24..], FirstTime);
        BinaryPrimitives.WriteInt64LittleEndian(target[32..], LastTime);
    }

    public static FrameRun Read(ReadOnlySpan<byte> bytes) => new(
        new LogPartition(BinaryPrimitives.ReadUInt16LittleEndian(bytes), BinaryPrimitives.ReadUInt16LittleEndian(bytes[2..])),
        BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]),
        BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]),
        BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]),
        BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]),
        BinaryPrimitives.ReadInt64LittleEndian(bytes[32..]));
}
