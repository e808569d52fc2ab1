using System.Buffers.Binary;
using System.Text;

namespace Nave.Mqtt;

/// <summary>Reads the fields of a packet body, one behind the other. Everything it refuses is the peer's fault.</summary>
internal ref struct BodyReader(ReadOnlySpan<byte> bytes)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    /// <summary>How many bytes have been read.</summary>
    public int Consumed { get; private set; }

    public readonly bool IsAtEnd => Consumed == _bytes.Length;

    public readonly int Unread => _bytes.Length - Consumed;

    public byte ReadByte() => ReadBytes(1)[0];

    public ushort ReadUInt16() => BinaryPrimitives.ReadUInt16BigEndian(ReadBytes(2));

    public uint ReadUInt32() => BinaryPrimitives.ReadUInt32BigEndian(ReadBytes(4));

    public ushort ReadPacketId()
    {
        var id = ReadUInt16();
        return id is not 0 ? id : throw new MalformedPacketException(MqttRule.PacketIdZero);
    }

    public int ReadVariableByteInteger()
    {
        var value = 0;
        for (var i = 0; i < 4; i++)
        {
            var next = ReadByte();
            value |= (next & 0x7F) << (7 * i);
            if (next < 0x80)
            {
                return next is 0 && i > 0 ? throw new MalformedPacketException(MqttRule.VariableByteInteger) : value;
            }
        }

        throw new MalformedPacketException(MqttRule.VariableByteInteger);
    }

    public ReadOnlySpan<byte> ReadBytes(int count)
    {
        if (count > _bytes.Length - Consumed)
        {
            throw new MalformedPacketException(MqttRule.TruncatedPacket);
        }

        var read = _bytes.Slice(Consumed, count);
        Consumed += count;
        return read;
    }

    /// <summary>Two bytes of length, then as many bytes.</summary>
    public ReadOnlySpan<byte> ReadBinary() => ReadBytes(ReadUInt16());

    /// <summary>As <see cref="ReadBinary"/>, and checked to be text.</summary>
    public ReadOnlySpan<byte> ReadUtf8()
    {
        var text = ReadBinary();
        Utf8Text.Check(text);
        return text;
    }

    public string ReadString() => Encoding.UTF8.GetString(ReadUtf8());

    public readonly void ExpectEnd()
    {
        if (!IsAtEnd)
        {
            throw new MalformedPacketException(MqttRule.TrailingBytes);
        }
    }
}
