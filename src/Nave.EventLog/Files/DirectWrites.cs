using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Nave.EventLog;

/// <summary>
/// Writes of whole disk blocks to one file past the page cache (O_DIRECT): frames are written once and seldom read from
/// the file, so a cache of them would cost a day's telemetry in memory and the first touch of each page
/// (docs/performance.md, "What was tried"). Reads beside it see what was written. Where the file system refuses, or a
/// write is no whole number of blocks, the caller writes through the cache; what is durable is the same: nothing before
/// the sync.
/// </summary>
/// <remarks>For the one thread that writes the file.</remarks>
internal sealed unsafe class DirectWrites(SafeFileHandle file) : IDisposable
{
    /// <summary>What offset and length must be multiples of: the logical block of nearly every disk. Others refuse.</summary>
    private const int BlockBytes = 512;

    /// <summary>What memory is aligned to: a page. With less, writes took 8 ms each on a virtual disk.</summary>
    public const int PageBytes = 4096;

    /// <summary>What is copied into aligned memory and written at a time, where the caller's is not.</summary>
    private const int PieceBytes = 1 << 20;

    // As many as threads write at once: mostly one. Kept for good, for the first touch of a page is the dear one.
    private static readonly ConcurrentStack<nint> Buffers = new();

    private SafeFileHandle? _handle;
    private bool _isRefused;

    /// <returns>False when nothing can be said of the range and the caller must write it.</returns>
    /// <exception cref="IOException">The disk failed or is full.</exception>
    public bool TryWrite(long offset, ReadOnlySpan<byte> bytes)
    {
        if (_isRefused || bytes.IsEmpty || offset % BlockBytes is not 0 || bytes.Length % BlockBytes is not 0)
        {
            return false;
        }

        _handle ??= PosixFile.TryReopenDirect(file);
        if (_handle is null)
        {
            _isRefused = true;
            return false;
        }

        fixed (byte* start = bytes)
        {
            return (nint)start % PageBytes is 0 ? TryWriteInPlace(_handle, offset, bytes) : TryWriteCopy(_handle, offset, bytes);
        }
    }

    public void Dispose() => _handle?.Dispose();

    private bool TryWriteInPlace(SafeFileHandle handle, long offset, ReadOnlySpan<byte> bytes)
    {
        try
        {
            RandomAccess.Write(handle, bytes, offset);
            return true;
        }
        catch (IOException e) when (PosixFile.IsInvalidArgument(e))
        {
            _isRefused = true; // A file system or disk that wants other blocks.
            return false;
        }
    }

    private bool TryWriteCopy(SafeFileHandle handle, long offset, ReadOnlySpan<byte> bytes)
    {
        if (!Buffers.TryPop(out var buffer))
        {
            buffer = (nint)NativeMemory.AlignedAlloc(PieceBytes, PageBytes);
        }

        try
        {
            while (!bytes.IsEmpty)
            {
                var piece = new Span<byte>((void*)buffer, Math.Min(PieceBytes, bytes.Length));
                bytes[..piece.Length].CopyTo(piece);
                if (!TryWriteInPlace(handle, offset, piece))
                {
                    return false;
                }

                bytes = bytes[piece.Length..];
                offset += piece.Length;
            }

            return true;
        }
        finally
        {
            Buffers.Push(buffer);
        }
    }
}
