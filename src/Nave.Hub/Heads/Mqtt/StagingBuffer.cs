using System.Buffers;

namespace Nave.Hub.Heads.Mqtt;

/// <summary>Bytes to be sent, in pooled memory that is held only while there are some. Not thread-safe.</summary>
internal struct StagingBuffer
{
    private const int FirstBytes = 256;

    private Writer? _writer;

    /// <summary>How many bytes there are.</summary>
    public readonly int Length => _writer?.Length ?? 0;

    /// <summary>For the codec's <c>Write</c> methods.</summary>
    public IBufferWriter<byte> Output => _writer ??= new Writer();

    /// <summary>Takes the bytes out. They go back to the pool with <see cref="Return"/>.</summary>
    public readonly ArraySegment<byte> Take() => _writer?.Take() ?? ArraySegment<byte>.Empty;

    public static void Return(ArraySegment<byte> taken) => ArrayPool<byte>.Shared.Return(taken.Array!);

    private sealed class Writer : IBufferWriter<byte>
    {
        private byte[] _bytes = [];

        public int Length { get; private set; }

        public void Advance(int count) => Length += count;

        public Memory<byte> GetMemory(int sizeHint = 0)
        {
            Reserve(sizeHint);
            return _bytes.AsMemory(Length);
        }

        public Span<byte> GetSpan(int sizeHint = 0)
        {
            Reserve(sizeHint);
            return _bytes.AsSpan(Length);
        }

        public ArraySegment<byte> Take()
        {
            var taken = new ArraySegment<byte>(_bytes, 0, Length);
            _bytes = [];
            Length = 0;
            return taken;
        }

        private void Reserve(int sizeHint)
        {
            var wanted = Math.Max(sizeHint, 1);
            if (_bytes.Length - Length >= wanted)
            {
                return;
            }

            var larger = ArrayPool<byte>.Shared.Rent(Math.Max(Math.Max(FirstBytes, _bytes.Length * 2), Length + wanted));
            _bytes.AsSpan(0, Length).CopyTo(larger);
            if (_bytes.Length > 0)
            {
                ArrayPool<byte>.Shared.Return(_bytes);
            }

            _bytes = larger;
        }
    }
}
