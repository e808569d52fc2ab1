using System.Buffers.Binary;

namespace Nave.EventLog.Format;

/// <summary>
/// The first 4 KB (or a multiple) of a segment file: format version, identity, where the segment before ended, and per
/// partition the next sequence number and the last enqueued time, so that numbering survives an emptied log.
/// </summary>
/// <remarks>
/// Magic (8), version (2), streams (2), header bytes (4), id (8), key (8), first frame number (8), capacity (8), created
/// (8), id of the segment before or -1 (8), its end (8), its last frame (8), partitions (4), why it ended (4), end of its own frames if
/// sorted, else 0 (8); then per stream id (2) and partitions (2); then per partition next sequence number (8) and last time (8); zeros; checksum (4).
/// </remarks>
internal sealed record SegmentHeader
{
    /// <summary>"NAVELOG" and a zero; the same for ever, versions are told by the next field.</summary>
    public const ulong Magic = 0x0047_4F4C_4556_414E;
    public const ushort CurrentVersion = 1;

    /// <summary>Headers are whole pages, and never longer than this.</summary>
    public const int PageBytes = 4096;
    public const int MaxBytes = 16 * PageBytes;

    private const int FixedBytes = 96;

    public required SegmentIdentity Identity { get; init; }

    /// <summary>The number of the first frame; those behind it count on without gaps.</summary>
    public required long FirstFrame { get; init; }

    /// <summary>Size of the file.</summary>
    public required long Capacity { get; init; }

    public required long CreatedTime { get; init; }

    /// <summary>Id of the segment before, or -1.</summary>
    public required long PreviousId { get; init; }

    /// <summary>Where the segment before ended: what lies behind is not part of the log.</summary>
    public required long PreviousEnd { get; init; }

    /// <summary>The last committed frame before this segment.</summary>
    public required long PreviousFrame { get; init; }

    /// <summary>Whether the segment before was ended by a failed write or sync.</summary>
    public required SegmentEndCause PreviousCause { get; init; }

    /// <summary>
    /// 0 for a segment as it was written. Otherwise its frames have been put in the order of partitions, and end here
    /// instead of where the next segment says.
    /// </summary>
    public long SortedEnd { get; init; }

    public required IReadOnlyList<StoredStream> Streams { get; init; }

    /// <summary>Numbered by a <see cref="StreamTable"/> of exactly <see cref="Streams"/>.</summary>
    public required PartitionMarks Marks { get; init; }

    public ushort Version { get; init; } = CurrentVersion;

    public int Bytes => BytesFor(Streams.Count, Marks.Next.Length);

    public static int BytesFor(int streams, int partitions) =>
        (FixedBytes + (streams * 4) + (partitions * 16) + 4 + PageBytes - 1) / PageBytes * PageBytes;

    public byte[] ToBytes()
    {
        var bytes = new byte[Bytes];
        var span = bytes.AsSpan();
        BinaryPrimitives.WriteUInt64LittleEndian(span, Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(span[8..], Version);
        BinaryPrimitives.WriteUInt16LittleEndian(span[10..], (ushort)Streams.Count);
        BinaryPrimitives.WriteInt32LittleEndian(span[12..], bytes.Length);
        BinaryPrimitives.WriteInt64LittleEndian(span[16..], Identity.Id);
        BinaryPrimitives.WriteUInt64LittleEndian(span[24..], Identity.Key);
        BinaryPrimitives.WriteInt64LittleEndian(span[32..], FirstFrame);
        BinaryPrimitives.WriteInt64LittleEndian(span[40..], Capacity);
        BinaryPrimitives.WriteInt64LittleEndian(span[48..], CreatedTime);
        BinaryPrimitives.WriteInt64LittleEndian(span[56..], PreviousId);
        BinaryPrimitives.WriteInt64LittleEndian(span[64..], PreviousEnd);
        BinaryPrimitives.WriteInt64LittleEndian(span[72..], PreviousFrame);
        BinaryPrimitives.WriteInt32LittleEndian(span[80..], Marks.Next.Length);
        BinaryPrimitives.WriteInt32LittleEndian(span[84..], (int)PreviousCause);
        BinaryPrimitives.WriteInt64LittleEndian(span[88..], SortedEnd);
        var offset = FixedBytes;
        foreach (var stream in Streams)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(span[offset..], stream.Id);
            BinaryPrimitives.WriteUInt16LittleEndian(span[(offset + 2)..], stream.Partitions);
            offset += 4;
        }

        for (var i = 0; i < Marks.Next.Length; i++, offset += 16)
        {
            BinaryPrimitives.WriteInt64LittleEndian(span[offset..], Marks.Next[i]);
            BinaryPrimitives.WriteInt64LittleEndian(span[(offset + 8)..], Marks.Time[i]);
        }

        BinaryPrimitives.WriteUInt32LittleEndian(span[^4..], Crc32C.Of(span[..^4]));
        return bytes;
    }

    /// <summary>Reads the header of a segment file.</summary>
    /// <exception cref="LogCorruptException">It is not one, or damaged.</exception>
    /// <exception cref="LogOpenException">A newer program wrote it.</exception>
    public static SegmentHeader Read(ILogFile file, string where)
    {
        Span<byte> page = stackalloc byte[FixedBytes];
        if (file.Read(0, page) < page.Length || BinaryPrimitives.ReadUInt64LittleEndian(page) != Magic)
        {
            throw Damaged(where);
        }

        var version = BinaryPrimitives.ReadUInt16LittleEndian(page[8..]);
        if (version > CurrentVersion)
        {
            throw new LogOpenException(
                $"{where} has format version {version}; this program knows versions up to {CurrentVersion}. Start the newer program that wrote it, or restore the data that was backed up before the upgrade.");
        }

        var headerBytes = BinaryPrimitives.ReadInt32LittleEndian(page[12..]);
        if (headerBytes is < PageBytes or > MaxBytes || headerBytes % PageBytes != 0)
        {
            throw Damaged(where);
        }

        var bytes = new byte[headerBytes];
        if (file.Read(0, bytes) < bytes.Length
            || BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan()[^4..]) != Crc32C.Of(bytes.AsSpan()[..^4]))
        {
            throw Damaged(where);
        }

        return Parse(bytes, version, where);
    }

    private static SegmentHeader Parse(ReadOnlySpan<byte> span, ushort version, string where)
    {
        var streams = new StoredStream[BinaryPrimitives.ReadUInt16LittleEndian(span[10..])];
        var marks = new PartitionMarks(BinaryPrimitives.ReadInt32LittleEndian(span[80..]));
        if (BytesFor(streams.Length, marks.Next.Length) != span.Length)
        {
            throw Damaged(where);
        }

        var offset = FixedBytes;
        for (var i = 0; i < streams.Length; i++, offset += 4)
        {
            streams[i] = new StoredStream(
                BinaryPrimitives.ReadUInt16LittleEndian(span[offset..]), BinaryPrimitives.ReadUInt16LittleEndian(span[(offset + 2)..]));
        }

        for (var i = 0; i < marks.Next.Length; i++, offset += 16)
        {
            marks.Next[i] = BinaryPrimitives.ReadInt64LittleEndian(span[offset..]);
            marks.Time[i] = BinaryPrimitives.ReadInt64LittleEndian(span[(offset + 8)..]);
        }

        return new SegmentHeader
        {
            Version = version,
            Identity = new SegmentIdentity(
                BinaryPrimitives.ReadInt64LittleEndian(span[16..]), BinaryPrimitives.ReadUInt64LittleEndian(span[24..])),
            FirstFrame = BinaryPrimitives.ReadInt64LittleEndian(span[32..]),
            Capacity = BinaryPrimitives.ReadInt64LittleEndian(span[40..]),
            CreatedTime = BinaryPrimitives.ReadInt64LittleEndian(span[48..]),
            PreviousId = BinaryPrimitives.ReadInt64LittleEndian(span[56..]),
            PreviousEnd = BinaryPrimitives.ReadInt64LittleEndian(span[64..]),
            PreviousFrame = BinaryPrimitives.ReadInt64LittleEndian(span[72..]),
            PreviousCause = (SegmentEndCause)BinaryPrimitives.ReadInt32LittleEndian(span[84..]),
            SortedEnd = BinaryPrimitives.ReadInt64LittleEndian(span[88..]),
            Streams = streams,
            Marks = marks,
        };
    }

    private static LogCorruptException Damaged(string where) => new(
        $"The header of {where} is damaged: its checksum does not match. The file is kept as it is. Restore it from a backup, or move it and all older segments away to go on without their records.");
}

/// <summary>Why a segment ended.</summary>
internal enum SegmentEndCause
{
    /// <summary>No room for the next frame, or its header had to change.</summary>
    Full = 0,

    /// <summary>A write or sync failed; frames behind the end may be in the file but were refused.</summary>
    WriteFailed = 1,
}
