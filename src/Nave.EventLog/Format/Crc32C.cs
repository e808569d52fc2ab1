using System.Buffers;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Nave.EventLog.Format;

/// <summary>CRC32C (Castagnoli), which processors compute themselves. A sum in progress is the plain register.</summary>
internal static class Crc32C
{
    /// <summary>The register before the first byte.</summary>
    public const uint Start = 0xFFFF_FFFF;

    /// <summary>The sum of these bytes alone.</summary>
    public static uint Of(ReadOnlySpan<byte> bytes) => End(Add(Start, bytes));

    /// <summary>The sum as it is stored.</summary>
    public static uint End(uint register) => ~register;

    public static uint Add(uint register, ReadOnlySpan<byte> bytes)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(bytes);
        foreach (var word in words)
        {
            register = BitOperations.Crc32C(register, word);
        }

        foreach (var one in bytes[(words.Length * sizeof(ulong))..])
        {
            register = BitOperations.Crc32C(register, one);
        }

        return register;
    }

    public static uint Add(uint register, in ReadOnlySequence<byte> bytes)
    {
        if (bytes.IsSingleSegment)
        {
            return Add(register, bytes.FirstSpan);
        }

        foreach (var segment in bytes)
        {
            register = Add(register, segment.Span);
        }

        return register;
    }
}
