using System.Buffers;
using Amqp;

namespace Nave.Hub.Heads.Amqp;

/// <summary>Writes into one of the engine's buffers, which grows as needed.</summary>
internal sealed class ByteBufferWriter(ByteBuffer buffer) : IBufferWriter<byte>
{
    public void Advance(int count) => buffer.Append(count);

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        buffer.ValidateWrite(Math.Max(sizeHint, 1));
        return buffer.Buffer.AsMemory(buffer.WritePos, buffer.Size);
    }

    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;
}
