using System.Buffers.Binary;

namespace Nave.Hub.Heads.Amqp;

/// <summary>What the head itself has to see of a frame: kind, channel, and a transfer's bookkeeping fields.</summary>
internal readonly ref struct AmqpFrame
{
    /// <summary>Bytes before the performative.</summary>
    public const int HeaderBytes = 8;

    /// <summary>What we accept and announce (spec/device-amqp.md 1).</summary>
    public const int MaxBytes = 65536;

    private AmqpFrame(ushort channel, Performative performative, ReadOnlySpan<byte> fields, int fieldsAt, int payloadBytes)
    {
        Channel = channel;
        Performative = performative;
        Fields = fields;
        FieldsAt = fieldsAt;
        PayloadBytes = payloadBytes;
    }

    /// <summary>An empty frame that keeps a connection awake.</summary>
    public static ReadOnlySpan<byte> Empty => [0, 0, 0, 8, 2, 0, 0, 0];

    public ushort Channel { get; }

    public Performative Performative { get; }

    /// <summary>The performative's list of fields, behind its constructor, size and count.</summary>
    public ReadOnlySpan<byte> Fields { get; }

    /// <summary>Where <see cref="Fields"/> begins in the frame.</summary>
    public int FieldsAt { get; }

    /// <summary>What follows the performative.</summary>
    public int PayloadBytes { get; }

    /// <summary>Reads a whole frame; false when it is none that the engine may see.</summary>
    /// <param name="bytes">The frame, its size field included.</param>
    /// <param name="type">0 for AMQP, 1 for SASL.</param>
    /// <param name="frame">What was read.</param>
    public static bool TryRead(ReadOnlySpan<byte> bytes, byte type, out AmqpFrame frame)
    {
        frame = default;
        // An extended header (doff over 2) is legal and used by nobody; the engine would take it for the performative.
        if (bytes.Length < HeaderBytes || bytes[4] != 2 || bytes[5] != type)
        {
            return false;
        }

        var channel = BinaryPrimitives.ReadUInt16BigEndian(bytes[6..]);
        var body = bytes[HeaderBytes..];
        if (body.IsEmpty)
        {
            frame = new AmqpFrame(channel, Performative.None, default, HeaderBytes, 0);
            return true;
        }

        if (!AmqpShape.TryMeasure(body, out var length) || !TryReadDescriptor(body, out var code, out var listAt))
        {
            return false;
        }

        var fieldsAt = listAt + (body[listAt] switch { 0x45 => 1, 0xc0 => 3, 0xd0 => 9, _ => -1 });
        if (fieldsAt < listAt)
        {
            return false;
        }

        frame = new AmqpFrame(
            channel, (Performative)code, body[fieldsAt..length], HeaderBytes + fieldsAt, body.Length - length);
        return true;
    }

    /// <summary>
    /// The field at the index of the performative's list: its whole encoding, empty when the list ends before it.
    /// <paramref name="at"/> is where it begins in the frame.
    /// </summary>
    public ReadOnlySpan<byte> Field(int index, out int at)
    {
        at = FieldsAt;
        var rest = Fields;
        for (var i = 0; ; i++)
        {
            if (rest.IsEmpty || !AmqpShape.TryMeasure(rest, out var length))
            {
                return default;
            }

            if (i == index)
            {
                return rest[..length];
            }

            rest = rest[length..];
            at += length;
        }
    }

    /// <summary>Reads an encoded uint; 0 when it is none.</summary>
    public static uint ReadUInt(ReadOnlySpan<byte> value) => value switch
    {
        [0x52, var small] => small,
        [0x70, _, _, _, _] => BinaryPrimitives.ReadUInt32BigEndian(value[1..]),
        _ => 0,
    };

    /// <summary>Reads an encoded boolean; false when it is none.</summary>
    public static bool ReadBoolean(ReadOnlySpan<byte> value) => value is [0x41] or [0x56, 0x01];

    /// <summary>Performatives are told by number. By name is legal too and used by nobody: refused, so that nothing slips past the checks.</summary>
    private static bool TryReadDescriptor(ReadOnlySpan<byte> body, out byte code, out int listAt)
    {
        switch (body)
        {
            case [0x00, 0x53, var small, _, ..]:
                code = small;
                listAt = 3;
                return true;
            case [0x00, 0x80, 0, 0, 0, 0, 0, 0, 0, var large, _, ..]:
                code = large;
                listAt = 10;
                return true;
            default:
                code = 0;
                listAt = 0;
                return false;
        }
    }
}

/// <summary>Frame bodies by descriptor (AMQP 1.0 part 2.7 and 5.3).</summary>
internal enum Performative : byte
{
    /// <summary>An empty frame.</summary>
    None = 0,
    Open = 0x10,
    Begin = 0x11,
    Attach = 0x12,
    Flow = 0x13,
    Transfer = 0x14,
    Disposition = 0x15,
    Detach = 0x16,
    End = 0x17,
    Close = 0x18,
    SaslMechanisms = 0x40,
    SaslInit = 0x41,
    SaslChallenge = 0x42,
    SaslResponse = 0x43,
    SaslOutcome = 0x44,
}
