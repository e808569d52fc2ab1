using System.Buffers.Binary;
using System.Numerics;

namespace Nave.EventLog.Format;

/// <summary>
/// One record on disk: length (4), checksum (4), enqueued time (8), bytes. The sequence number is not stored: it is the
/// run's first one plus the place in the run. The checksum covers the bytes, then time, number, partition and length, so
/// that a record found in a wrong place does not match either.
/// </summary>
internal static class RecordFormat
{
    public const int HeaderBytes = 16;

    /// <summary>Writes the header of a record whose bytes have been summed already.</summary>
    public static void WriteHeader(Span<byte> target, int length, uint bytesRegister, LogPartition partition, long sequence, long time)
    {
        BinaryPrimitives.WriteInt32LittleEndian(target, length);
        BinaryPrimitives.WriteUInt32LittleEndian(target[4..], Finish(bytesRegister, length, partition, sequence, time));
        BinaryPrimitives.WriteInt64LittleEndian(target[8..], time);
    }

    public static int ReadLength(ReadOnlySpan<byte> record) => BinaryPrimitives.ReadInt32LittleEndian(record);

    public static long ReadTime(ReadOnlySpan<byte> record) => BinaryPrimitives.ReadInt64LittleEndian(record[8..]);

    /// <summary>Whether the length can be one, so that it may be believed before the checksum is known.</summary>
    public static bool IsPlausible(int length, long room) =>
        length is >= 0 and <= LogLimits.MaxRecordBytes && length <= room - HeaderBytes;

    /// <summary>Compares a whole record with its checksum.</summary>
    public static bool Matches(ReadOnlySpan<byte> record, int length, LogPartition partition, long sequence)
    {
        var register = Crc32C.Add(Crc32C.Start, record.Slice(HeaderBytes, length));
        return BinaryPrimitives.ReadUInt32LittleEndian(record[4..])
            == Finish(register, length, partition, sequence, ReadTime(record));
    }

    private static uint Finish(uint register, int length, LogPartition partition, long sequence, long time)
    {
        register = BitOperations.Crc32C(register, (ulong)time);
        register = BitOperations.Crc32C(register, (ulong)sequence);
        register = BitOperations.Crc32C(
            register, (uint)length | ((ulong)partition.Stream << 32) | ((ulong)partition.Partition << 48));
        return Crc32C.End(register);
    }
}
