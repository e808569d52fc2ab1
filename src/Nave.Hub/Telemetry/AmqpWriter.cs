using System.Buffers;
using System.Buffers.Binary;
using System.Buffers.Text;
using System.Text;

namespace Nave.Hub.Telemetry;

/// <summary>The few AMQP 1.0 encodings that stored events consist of (AMQP 1.0 part 1.6). No general codec: links have one of their own.</summary>
internal static class AmqpWriter
{
    /// <summary>A described map section: 0x72 message annotations, 0x74 application properties, 0x71 delivery annotations.</summary>
    public static void MapSection(IBufferWriter<byte> writer, byte descriptor, int count, int bodyBytes) =>
        Compound(writer, descriptor, 0xc1, 0xd1, count, bodyBytes);

    /// <summary>A described list section: 0x73 properties.</summary>
    public static void ListSection(IBufferWriter<byte> writer, byte descriptor, int count, int bodyBytes) =>
        Compound(writer, descriptor, 0xc0, 0xd0, count, bodyBytes);

    public static void Null(IBufferWriter<byte> writer)
    {
        writer.GetSpan(1)[0] = 0x40;
        writer.Advance(1);
    }

    public static void String(IBufferWriter<byte> writer, string value) => Variable(writer, Encoding.UTF8.GetBytes(value), 0xa1, 0xb1);

    public static void Symbol(IBufferWriter<byte> writer, string value) => Variable(writer, Encoding.UTF8.GetBytes(value), 0xa3, 0xb3);

    public static void Binary(IBufferWriter<byte> writer, ReadOnlySpan<byte> value) => Variable(writer, value, 0xa0, 0xb0);

    public static void Timestamp(IBufferWriter<byte> writer, long milliseconds) => writer.Advance(Timestamp(writer.GetSpan(9), milliseconds));

    /// <summary>A string of UTF-8.</summary>
    public static int String(Span<byte> destination, ReadOnlySpan<byte> value) => Variable(destination, value, 0xa1, 0xb1);

    /// <summary>A symbol of up to 255 bytes.</summary>
    public static int Symbol(Span<byte> destination, ReadOnlySpan<byte> value)
    {
        destination[0] = 0xa3;
        destination[1] = (byte)value.Length;
        value.CopyTo(destination[2..]);
        return 2 + value.Length;
    }

    public static int Long(Span<byte> destination, long value)
    {
        destination[0] = 0x81;
        BinaryPrimitives.WriteInt64BigEndian(destination[1..], value);
        return 9;
    }

    public static int Timestamp(Span<byte> destination, long milliseconds)
    {
        destination[0] = 0x83;
        BinaryPrimitives.WriteInt64BigEndian(destination[1..], milliseconds);
        return 9;
    }

    /// <summary>A number as a string of decimal digits.</summary>
    public static int DecimalString(Span<byte> destination, long value)
    {
        Utf8Formatter.TryFormat(value, destination[2..], out var written);
        destination[0] = 0xa1;
        destination[1] = (byte)written;
        return 2 + written;
    }

    private static void Variable(IBufferWriter<byte> writer, ReadOnlySpan<byte> value, byte small, byte large) =>
        writer.Advance(Variable(writer.GetSpan(value.Length + 5), value, small, large));

    private static int Variable(Span<byte> destination, ReadOnlySpan<byte> value, byte small, byte large)
    {
        var head = 2;
        destination[0] = small;
        if (value.Length <= byte.MaxValue)
        {
            destination[1] = (byte)value.Length;
        }
        else
        {
            destination[0] = large;
            BinaryPrimitives.WriteUInt32BigEndian(destination[1..], (uint)value.Length);
            head = 5;
        }

        value.CopyTo(destination[head..]);
        return head + value.Length;
    }

    private static void Compound(IBufferWriter<byte> writer, byte descriptor, byte small, byte large, int count, int bodyBytes)
    {
        var span = writer.GetSpan(12);
        span[0] = 0x00;
        span[1] = 0x53;
        span[2] = descriptor;
        if (bodyBytes + 1 <= byte.MaxValue && count <= byte.MaxValue)
        {
            span[3] = small;
            span[4] = (byte)(bodyBytes + 1);
            span[5] = (byte)count;
            writer.Advance(6);
            return;
        }

        span[3] = large;
        BinaryPrimitives.WriteUInt32BigEndian(span[4..], (uint)(bodyBytes + 4));
        BinaryPrimitives.WriteUInt32BigEndian(span[8..], (uint)count);
        writer.Advance(12);
    }
}
