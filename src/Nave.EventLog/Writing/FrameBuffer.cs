using System.Buffers;
using System.Collections.Concurrent;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Nave.EventLog.Writing;

/// <summary>
/// Memory for a frame. A long one begins at a page and never moves, so that the disk takes it from where it lies
/// (<see cref="DirectWrites"/>) instead of from a copy. Used again and again: the first touch of a page is the dear one.
/// </summary>
internal sealed class FrameBuffer : IDisposable
{
    /// <summary>Shorter frames cost less to copy than the rest of a page is worth.</summary>
    private const int LeastAlignedBytes = 16 << 10;

    /// <summary>What lies unused of each size, at most. The tail cache holds a multiple of it.</summary>
    private const int MaxUnusedBytes = 4 << 20;

    // By the logarithm of the size.
    private static readonly ConcurrentStack<FrameBuffer>[] Unused = [.. Enumerable.Range(0, 32).Select(_ => new ConcurrentStack<FrameBuffer>())];

    private readonly byte[] _array;
    private readonly int _start;

    private FrameBuffer(byte[] array, int start, int length)
    {
        (_array, _start, Length) = (array, start, length);
    }

    public int Length { get; }

    public Span<byte> Span => _array.AsSpan(_start, Length);

    private bool IsAligned => Length >= LeastAlignedBytes;

    /// <summary>At least so many bytes, with anything in them.</summary>
    public static FrameBuffer Rent(int bytes)
    {
        if (bytes < LeastAlignedBytes)
        {
            var array = ArrayPool<byte>.Shared.Rent(bytes);
            return new FrameBuffer(array, 0, Math.Min(array.Length, LeastAlignedBytes - 1));
        }

        var length = (int)BitOperations.RoundUpToPowerOf2((uint)bytes);
        return Unused[BitOperations.Log2((uint)length)].TryPop(out var buffer) ? buffer : Allocate(length);
    }

    public ReadOnlyMemory<byte> Slice(int offset, int bytes) => _array.AsMemory(_start + offset, bytes);

    /// <summary>To be called once, by the last user.</summary>
    public void Dispose()
    {
        if (!IsAligned)
        {
            ArrayPool<byte>.Shared.Return(_array);
            return;
        }

        var unused = Unused[BitOperations.Log2((uint)Length)];
        if (unused.Count <= MaxUnusedBytes / Length)
        {
            unused.Push(this);
        }
    }

    private static unsafe FrameBuffer Allocate(int length)
    {
        var array = GC.AllocateUninitializedArray<byte>(length + DirectWrites.PageBytes, pinned: true);
        var address = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(array));
        return new FrameBuffer(array, (int)(-address & (DirectWrites.PageBytes - 1)), length);
    }
}
