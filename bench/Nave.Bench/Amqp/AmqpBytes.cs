using System.Buffers.Binary;
using System.Text;

namespace Nave.Bench.Amqp;

/// <summary>The few encodings (AMQP 1.0 part 1.6) that the bench's client writes at a connection's start.</summary>
internal static class AmqpBytes
{
    /// <summary>Performatives and SASL frames by their codes (AMQP 1.0 parts 2.7 and 5.3.3).</summary>
    public const byte Open = 0x10, Begin = 0x11, Attach = 0x12, Flow = 0x13, Transfer = 0x14, Disposition = 0x15, Detach = 0x16, End = 0x17, Close = 0x18,
        SaslMechanisms = 0x40, SaslInit = 0x41, SaslOutcome = 0x44, Accepted = 0x24, Source = 0x28, Target = 0x29;

    /// <summary>Bytes of a frame before its performative.</summary>
    public const int HeaderBytes = 8;

    public static byte[] Null { get; } = [0x40];

    public static ReadOnlySpan<byte> ProtocolHeader => "AMQP\0\u0001\0\0"u8;

    public static ReadOnlySpan<byte> SaslHeader => "AMQP\u0003\u0001\0\0"u8;

    public static byte[] Bool(bool value) => [value ? (byte)0x41 : (byte)0x42];

    public static byte[] UByte(byte value) => [0x50, value];

    /// <summary>Always four bytes wide, so that it can be written over.</summary>
    public static byte[] UInt(uint value)
    {
        byte[] bytes = [0x70, 0, 0, 0, 0];
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(1), value);
        return bytes;
    }

    public static byte[] String(string text) => Variable(0xb1, Encoding.UTF8.GetBytes(text));

    public static byte[] Symbol(string text) => Variable(0xb3, Encoding.ASCII.GetBytes(text));

    public static byte[] Binary(ReadOnlySpan<byte> bytes) => Variable(0xb0, bytes);

    /// <summary>A described list.</summary>
    public static byte[] List(byte code, params byte[][] fields)
    {
        var body = fields.SelectMany(field => field).ToArray();
        var bytes = new byte[12 + body.Length];
        (bytes[0], bytes[1], bytes[2], bytes[3]) = (0x00, 0x53, code, 0xd0);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(4), (uint)(body.Length + 4));
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(8), (uint)fields.Length);
        body.CopyTo(bytes, 12);
        return bytes;
    }

    /// <summary>A frame on channel 0.</summary>
    public static byte[] Frame(byte[] performative, ReadOnlySpan<byte> payload = default, bool isSasl = false)
    {
        var bytes = new byte[HeaderBytes + performative.Length + payload.Length];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, (uint)bytes.Length);
        (bytes[4], bytes[5]) = (2, isSasl ? (byte)1 : (byte)0);
        performative.CopyTo(bytes, HeaderBytes);
        payload.CopyTo(bytes.AsSpan(HeaderBytes + performative.Length));
        return bytes;
    }

    /// <summary>A message that is one data section.</summary>
    public static byte[] DataMessage(int bytes)
    {
        var body = new byte[bytes];
        body.AsSpan().Fill((byte)'x');
        return [0x00, 0x53, 0x75, .. Binary(body)];
    }

    private static byte[] Variable(byte constructor, ReadOnlySpan<byte> value)
    {
        var bytes = new byte[5 + value.Length];
        bytes[0] = constructor;
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(1), (uint)value.Length);
        value.CopyTo(bytes.AsSpan(5));
        return bytes;
    }
}
