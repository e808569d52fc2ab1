using System.Buffers.Binary;

namespace Nave.Bench.Amqp;

/// <summary>A frame as it lies in the receive buffer. Reads only as far as it is asked.</summary>
internal readonly ref struct RawFrame
{
    private readonly ReadOnlySpan<byte> _fields;

    private RawFrame(int totalBytes, byte code, ReadOnlySpan<byte> fields, ReadOnlySpan<byte> payload)
    {
        TotalBytes = totalBytes;
        Code = code;
        _fields = fields;
        Payload = payload;
    }

    public int TotalBytes { get; }

    /// <summary>The performative; 0 for an empty frame.</summary>
    public byte Code { get; }

    /// <summary>What follows the performative.</summary>
    public ReadOnlySpan<byte> Payload { get; }

    /// <summary>The frame at the begin of the bytes; false when it is not there whole.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static bool TryRead(ReadOnlySpan<byte> bytes, out RawFrame frame)
    {
        frame = default;
        if (bytes.Length < AmqpBytes.HeaderBytes || BinaryPrimitives.ReadUInt32BigEndian(bytes) is var size && bytes.Length < size)
        {
            return false;
        }

        if (size < AmqpBytes.HeaderBytes || bytes[4] < 2)
        {
            throw new FormatException("no AMQP frame");
        }

        var body = bytes[(bytes[4] * 4)..(int)size];
        if (body.IsEmpty)
        {
            frame = new RawFrame((int)size, 0, default, default);
            return true;
        }

        if (body.Length < 4 || body[0] != 0 || body[1] != 0x53)
        {
            throw new FormatException("a performative that is not described by a small number");
        }

        var length = 3 + Measure(body[3..]);
        var headBytes = body[3] switch { 0x45 => 1, 0xc0 => 3, 0xd0 => 9, _ => throw new FormatException("a performative that is no list") };
        frame = new RawFrame((int)size, body[2], body[(3 + headBytes)..length], body[length..]);
        return true;
    }

    /// <summary>The whole encoding of a field; empty when the list ends before it.</summary>
    public ReadOnlySpan<byte> Field(int index)
    {
        var rest = _fields;
        for (; index > 0 && !rest.IsEmpty; index--)
        {
            rest = rest[Measure(rest)..];
        }

        return rest.IsEmpty ? rest : rest[..Measure(rest)];
    }

    /// <summary>A field that is an unsigned number; null when it is not set.</summary>
    public uint? Number(int index) => Field(index) switch
    {
        [0x43] => 0,
        [0x52 or 0x50, var small] => small,
        [0x70, ..] and { Length: 5 } wide => BinaryPrimitives.ReadUInt32BigEndian(wide[1..]),
        _ => null,
    };

    /// <summary>A field that is a boolean; false when it is not set.</summary>
    public bool IsTrue(int index) => Field(index) is [0x41] or [0x56, 1];

    /// <summary>Bytes of the value at the begin (AMQP 1.0 part 1.2: the constructor's upper half says how to find out).</summary>
    public static int Measure(ReadOnlySpan<byte> value) => (value[0] >> 4) switch
    {
        0x0 => 1 + Measure(value[1..]) is var head ? head + Measure(value[head..]) : 0,
        0x4 => 1,
        0x5 => 2,
        0x6 => 3,
        0x7 => 5,
        0x8 => 9,
        0x9 => 17,
        0xa or 0xc or 0xe => 2 + value[1],
        0xb or 0xd or 0xf => 5 + (int)BinaryPrimitives.ReadUInt32BigEndian(value[1..]),
        _ => throw new FormatException("no such constructor"),
    };
}
