using System.Buffers;
using System.Buffers.Binary;

namespace Nave.Mqtt;

/// <summary>
/// Gathers a packet's body in pooled memory, then sends it behind its fixed header. For packets off the hot path;
/// PUBLISH and the short acknowledgements write straight into the output. What it refuses is our own mistake.
/// </summary>
internal ref struct BodyWriter
{
    private byte[] _buffer;

    public BodyWriter()
    {
        _buffer = ArrayPool<byte>.Shared.Rent(256);
    }

    public int Length { get; private set; }

    public readonly ReadOnlySpan<byte> Written => _buffer.AsSpan(0, Length);

    public void WriteByte(byte value) => Take(1)[0] = value;

    public void WriteUInt16(ushort value) => BinaryPrimitives.WriteUInt16BigEndian(Take(2), value);

    public void WriteUInt32(uint value) => BinaryPrimitives.WriteUInt32BigEndian(Take(4), value);

    public void WriteVariableByteInteger(int value) =>
        VariableByteInteger.Write(Take(VariableByteInteger.Measure(value)), value);

    public void WriteBytes(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Take(bytes.Length));

    public void WriteBinary(ReadOnlySpan<byte> bytes)
    {
        WriteUInt16(CheckedLength(bytes.Length));
        WriteBytes(bytes);
    }

    public void WriteString(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Contains('\0', StringComparison.Ordinal))
        {
            throw new ArgumentException("MQTT text holds no U+0000.", nameof(text));
        }

        WriteUInt16(CheckedLength(Utf8Text.Strict.GetByteCount(text)));
        Utf8Text.Strict.GetBytes(text, Take(Utf8Text.Strict.GetByteCount(text)));
    }

    public void WritePacketId(ushort packetId)
    {
        ArgumentOutOfRangeException.ThrowIfZero(packetId);
        WriteUInt16(packetId);
    }

    /// <summary>Writes fixed header and body, and gives the memory back. The last call.</summary>
    public void SendTo(IBufferWriter<byte> output, PacketType type, byte flags = 0)
    {
        var header = output.GetSpan(5);
        header[0] = (byte)(((int)type << 4) | flags);
        output.Advance(1 + VariableByteInteger.Write(header[1..], Length));
        output.Write(Written);
        Return();
    }

    /// <summary>Gives the memory back, wiped: it may have held a password.</summary>
    public void Return()
    {
        ArrayPool<byte>.Shared.Return(_buffer, clearArray: true);
        _buffer = [];
        Length = 0;
    }

    private static ushort CheckedLength(int length) => length <= ushort.MaxValue
        ? (ushort)length
        : throw new ArgumentException($"A field of {length} bytes does not fit: MQTT allows 65,535.");

    private Span<byte> Take(int count)
    {
        if (_buffer.Length - Length < count)
        {
            Grow(count);
        }

        var taken = _buffer.AsSpan(Length, count);
        Length += count;
        return taken;
    }

    private void Grow(int count)
    {
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(_buffer.Length * 2, Length + count));
        Written.CopyTo(larger);
        ArrayPool<byte>.Shared.Return(_buffer, clearArray: true);
        _buffer = larger;
    }
}
