using System.Text;

namespace Nave.Protocol.Messages;

/// <summary>
/// The partition that a device's events live in, by the rule that Event Hubs clients compute
/// (spec/events-endpoint.md 7, "Partition of an event"). Modules share their device's partition.
/// </summary>
public static class PartitionOfDevice
{
    // The range of the folded hash, 0 to 32766, is cut into contiguous, nearly equal ranges, one per partition.
    private const int Range = short.MaxValue;

    /// <summary>The partition of a device id, 0 to <paramref name="partitionCount"/> - 1.</summary>
    public static int Of(string deviceId, int partitionCount)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(partitionCount, 1);
        var (first, second) = HashLittle2(Encoding.UTF8.GetBytes(deviceId.ToUpperInvariant()));
        var folded = (short)(first ^ second);
        var logical = Math.Abs((int)folded) % Range;

        // Ranges differ by at most one: the first ones take the remainder.
        var shortRange = Range / partitionCount;
        var longRanges = Range - (shortRange * partitionCount);
        var inLong = longRanges * (shortRange + 1);
        return logical < inLong
            ? logical / (shortRange + 1)
            : longRanges + ((logical - inLong) / shortRange);
    }

    // Bob Jenkins' lookup3, "hashlittle2", both seeds 0 (public domain algorithm).
    private static (uint First, uint Second) HashLittle2(ReadOnlySpan<byte> data)
    {
        uint a, b, c;
        a = b = c = 0xdeadbeef + (uint)data.Length;
        while (data.Length > 12)
        {
            a += BitConverter.ToUInt32(data);
            b += BitConverter.ToUInt32(data[4..]);
            c += BitConverter.ToUInt32(data[8..]);
            Mix(ref a, ref b, ref c);
            data = data[12..];
        }

        if (data.Length == 0)
        {
            return (c, b);
        }

        Span<byte> tail = stackalloc byte[12];
        tail.Clear();
        data.CopyTo(tail);
        a += BitConverter.ToUInt32(tail);
        b += BitConverter.ToUInt32(tail[4..]);
        c += BitConverter.ToUInt32(tail[8..]);
        FinalMix(ref a, ref b, ref c);
        return (c, b);
    }

    private static void Mix(ref uint a, ref uint b, ref uint c)
    {
        a -= c; a ^= uint.RotateLeft(c, 4); c += b;
        b -= a; b ^= uint.RotateLeft(a, 6); a += c;
        c -= b; c ^= uint.RotateLeft(b, 8); b += a;
        a -= c; a ^= uint.RotateLeft(c, 16); c += b;
        b -= a; b ^= uint.RotateLeft(a, 19); a += c;
        c -= b; c ^= uint.RotateLeft(b, 4); b += a;
    }

    private static void FinalMix(ref uint a, ref uint b, ref uint c)
    {
        c ^= b; c -= uint.RotateLeft(b, 14);
        a ^= c; a -= uint.RotateLeft(c, 11);
        b ^= a; b -= uint.RotateLeft(a, 25);
        c ^= b; c -= uint.RotateLeft(b, 16);
        a ^= c; a -= uint.RotateLeft(c, 4);
        b ^= a; b -= uint.RotateLeft(a, 14);
        c ^= b; c -= uint.RotateLeft(b, 24);
    }
}
