using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Nave.EventLog.Format;

namespace Nave.EventLog.Segments;

/// <summary>
/// Sparse index of one segment: at every 256 KB or so, where a frame begins and the state of all partitions before it.
/// Grows while the segment is active; stored beside a sealed segment, where it is only a shortcut: without it, the
/// segment is scanned again.
/// </summary>
internal sealed class SegmentIndex(int partitions)
{
    /// <summary>A reader's window: a denser index would save no read.</summary>
    public const int SpacingBytes = 256 << 10;

    private const ulong Magic = 0x3158_4449_4556_414E; // "NAVEIDX1"
    private const int FixedBytes = 48;

    private readonly Lock _gate = new();
    private readonly int _stride = 1 + (2 * partitions);
    private readonly List<long> _entries = []; // Per entry: offset, then next sequence numbers, then times.
    private long _lastOffset = long.MinValue / 2;

    /// <summary>Notes that a frame begins here, unless the last note is near.</summary>
    public void Note(long offset, PartitionMarks before)
    {
        lock (_gate)
        {
            if (offset - _lastOffset < SpacingBytes)
            {
                return;
            }

            _lastOffset = offset;
            _entries.Add(offset);
            _entries.AddRange(before.Next);
            _entries.AddRange(before.Time);
        }
    }

    /// <summary>Where to start looking for a sequence number that the segment has.</summary>
    public long FindSequence(int partition, long sequence) => FindLast(1 + partition, sequence);

    /// <summary>Where to start looking for the first record later than the time.</summary>
    public long FindTime(int partition, long time) => FindLast(1 + partitions + partition, time);

    // The offset of the last entry whose column is at or below the value; 0 when there is none.
    private long FindLast(int column, long value)
    {
        lock (_gate)
        {
            int low = 0, high = _entries.Count / _stride;
            while (low < high)
            {
                var middle = (low + high) / 2;
                if (_entries[(middle * _stride) + column] <= value)
                {
                    low = middle + 1;
                }
                else
                {
                    high = middle;
                }
            }

            return low == 0 ? 0 : _entries[(low - 1) * _stride];
        }
    }

    /// <summary>The index as it is stored: bound to its segment and its end, with a checksum.</summary>
    public byte[] ToBytes(Segment segment, IReadOnlyList<StoredStream> streams)
    {
        lock (_gate)
        {
            var streamBytes = streams.Count * 4;
            var bytes = new byte[FixedBytes + streamBytes + (_entries.Count * 8) + 4];
            WriteFixed(bytes, segment, streams, _entries.Count);
            MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(_entries)).CopyTo(bytes.AsSpan(FixedBytes + streamBytes));
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan()[^4..], Crc32C.Of(bytes.AsSpan()[..^4]));
            return bytes;
        }
    }

    /// <summary>Reads a stored index; null when it isn't one of this segment and these streams, or is damaged.</summary>
    public static SegmentIndex? TryParse(ReadOnlySpan<byte> bytes, Segment segment, StreamTable streams)
    {
        var start = FixedBytes + (streams.Stored.Count * 4);
        var entries = (bytes.Length - start - 4) / 8;
        var stride = 1 + (2 * streams.Count);
        if (bytes.Length < start + 4 || entries % stride != 0 || (bytes.Length - start - 4) % 8 != 0
            || BinaryPrimitives.ReadUInt32LittleEndian(bytes[^4..]) != Crc32C.Of(bytes[..^4]))
        {
            return null;
        }

        var expected = new byte[start];
        WriteFixed(expected, segment, streams.Stored, entries);
        if (!bytes[..start].SequenceEqual(expected))
        {
            return null;
        }

        var index = new SegmentIndex(streams.Count);
        index._entries.AddRange(MemoryMarshal.Cast<byte, long>(bytes[start..^4]));
        return index;
    }

    private static void WriteFixed(Span<byte> target, Segment segment, IReadOnlyList<StoredStream> streams, int entries)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(target, Magic);
        BinaryPrimitives.WriteInt64LittleEndian(target[8..], segment.Id);
        BinaryPrimitives.WriteUInt64LittleEndian(target[16..], segment.Header.Identity.Key);
        BinaryPrimitives.WriteInt64LittleEndian(target[24..], segment.End);
        BinaryPrimitives.WriteInt32LittleEndian(target[32..], streams.Count);
        BinaryPrimitives.WriteInt32LittleEndian(target[36..], entries);
        BinaryPrimitives.WriteInt64LittleEndian(target[40..], segment.Header.SortedEnd);
        for (var i = 0; i < streams.Count; i++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(target[(FixedBytes + (i * 4))..], streams[i].Id);
            BinaryPrimitives.WriteUInt16LittleEndian(target[(FixedBytes + (i * 4) + 2)..], streams[i].Partitions);
        }
    }
}
