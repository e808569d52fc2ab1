using System.Buffers.Binary;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// Walks encoded AMQP values without building anything, so that nothing reaches the decoder that could make it recurse
/// without end or believe a count: the library's own decoder recurses per nesting level and allocates arrays by the
/// count they claim (docs/decisions/0005-amqp.md).
/// </summary>
internal static class AmqpShape
{
    // The deepest value of real clients (a filter in a source in an attach) has five levels.
    private const int MaxDepth = 16;

    // Elements of no width cost nothing to send; no client sends such arrays at all.
    private const int MaxEmptyElements = 256;

    /// <summary>Steps over one value.</summary>
    /// <returns>Whether it is whole and within bounds; <paramref name="length"/> is then what it takes.</returns>
    public static bool TryMeasure(ReadOnlySpan<byte> bytes, out int length)
    {
        length = 0;
        return TrySkip(bytes, ref length, depth: 0);
    }

    /// <summary>Whether the bytes are nothing but whole values within bounds: an encoded message.</summary>
    public static bool IsSound(ReadOnlySpan<byte> message)
    {
        var at = 0;
        while (at < message.Length)
        {
            if (!TrySkip(message, ref at, depth: 0))
            {
                return false;
            }
        }

        return true;
    }

    private static bool TrySkip(ReadOnlySpan<byte> bytes, ref int at, int depth)
    {
        if (depth > MaxDepth || at >= bytes.Length)
        {
            return false;
        }

        var code = bytes[at++];
        return code == 0x00
            ? TrySkip(bytes, ref at, depth + 1) && TrySkip(bytes, ref at, depth + 1)
            : TrySkipData(bytes, code, ref at, depth);
    }

    /// <summary>Steps over what follows a constructor.</summary>
    private static bool TrySkipData(ReadOnlySpan<byte> bytes, byte code, ref int at, int depth)
    {
        switch (code >> 4)
        {
            case 0x4 or 0x5 or 0x6 or 0x7 or 0x8 or 0x9:
                return TryAdvance(bytes, ref at, FixedWidth(code));
            case 0xa or 0xb:
                return TryReadSize(bytes, code, ref at, out var size) && TryAdvance(bytes, ref at, size);
            case 0xc or 0xd:
                return TrySkipCompound(bytes, code, ref at, depth);
            case 0xe or 0xf:
                return TrySkipArray(bytes, code, ref at, depth);
            default:
                return false;
        }
    }

    private static bool TrySkipCompound(ReadOnlySpan<byte> bytes, byte code, ref int at, int depth)
    {
        if (!TryReadBounds(bytes, code, ref at, out var end, out var count))
        {
            return false;
        }

        var inner = bytes[..end];
        for (var i = 0; i < count; i++)
        {
            if (!TrySkip(inner, ref at, depth + 1))
            {
                return false;
            }
        }

        return at == end;
    }

    private static bool TrySkipArray(ReadOnlySpan<byte> bytes, byte code, ref int at, int depth)
    {
        if (!TryReadBounds(bytes, code, ref at, out var end, out var count) || at >= end)
        {
            return false;
        }

        var inner = bytes[..end];
        var element = inner[at++];
        if (element == 0x00)
        {
            if (!TrySkip(inner, ref at, depth + 1) || at >= end)
            {
                return false;
            }

            element = inner[at++];
        }

        if ((element >> 4) is 0x4 && count > MaxEmptyElements)
        {
            return false;
        }

        for (var i = 0; i < count; i++)
        {
            if (depth >= MaxDepth || !TrySkipData(inner, element, ref at, depth + 1))
            {
                return false;
            }
        }

        return at == end;
    }

    /// <summary>Reads size and count of a list, map or array; the size covers the count.</summary>
    private static bool TryReadBounds(ReadOnlySpan<byte> bytes, byte code, ref int at, out int end, out int count)
    {
        end = 0;
        count = 0;
        var width = (code >> 4) is 0xc or 0xe ? 1 : 4;
        if (!TryReadSize(bytes, code, ref at, out var size) || size < width)
        {
            return false;
        }

        end = at + size;
        var claimed = width == 1 ? bytes[at] : BinaryPrimitives.ReadUInt32BigEndian(bytes[at..]);
        at += width;
        count = (int)Math.Min(claimed, int.MaxValue);
        return true;
    }

    /// <summary>Reads a size and makes sure that as much follows.</summary>
    private static bool TryReadSize(ReadOnlySpan<byte> bytes, byte code, ref int at, out int size)
    {
        size = 0;
        var width = (code >> 4) is 0xa or 0xc or 0xe ? 1 : 4;
        if (bytes.Length - at < width)
        {
            return false;
        }

        var claimed = width == 1 ? bytes[at] : BinaryPrimitives.ReadUInt32BigEndian(bytes[at..]);
        at += width;
        if (claimed > (uint)(bytes.Length - at))
        {
            return false;
        }

        size = (int)claimed;
        return true;
    }

    private static bool TryAdvance(ReadOnlySpan<byte> bytes, ref int at, int by)
    {
        if (bytes.Length - at < by)
        {
            return false;
        }

        at += by;
        return true;
    }

    private static int FixedWidth(byte code) => (code >> 4) switch
    {
        0x4 => 0,
        0x5 => 1,
        0x6 => 2,
        0x7 => 4,
        0x8 => 8,
        _ => 16,
    };
}
