using System.Collections.Concurrent;
using Microsoft.Win32.SafeHandles;

namespace Nave.EventLog;

/// <summary>
/// Writes of whole disk blocks to one file past the page cache (O_DIRECT): frames are written once and seldom read from
/// the file, so a cache of them would cost a day's telemetry in memory and the first touch of each page
/// (docs/performance.md, "What was tried"). Reads beside it see what was written. Where the file system refuses, or a
/// write is no whole number of blocks, the caller writes through the cache; what is durable is the same: nothing before
/// the sync. Everything is written from a <see cref="HugePage"/>.
/// </summary>
/// <remarks>For the one thread that writes the file.</remarks>
internal sealed unsafe class DirectWrites(SafeFileHandle file) : IDisposable
{
    /// <summary>What offset and length must be multiples of: the logical block of nearly every disk. Others refuse.</summary>
    private const int BlockBytes = 512;

    // As many as threads write at once: mostly one.
    private static readonly ConcurrentStack<nint> Buffers = new();

    private SafeFileHandle? _handle;
    private bool _isRefused;

    /// <returns>False when nothing can be said of the range and the caller must write it.</returns>
    /// <exception cref="IOException">The disk failed or is full.</exception>
    public bool TryWrite(long offset, ReadOnlySpan<byte> bytes)
    {
        if (!IsPossible(offset, bytes.Length))
        {
            return false;
        }

        if (!Buffers.TryPop(out var buffer))
        {
            buffer = HugePage.Allocate();
        }

        try
        {
            while (!bytes.IsEmpty)
            {
                var piece = new Span<byte>((void*)buffer, Math.Min(HugePage.Bytes, bytes.Length));
                bytes[..piece.Length].CopyTo(piece); // 20 us for 272 KB, which the disk takes 200 us faster.
                if (!TryWritePiece(offset, piece))
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

    /// <summary>Writes zeros, at most <see cref="HugePage.Bytes"/>.</summary>
    /// <returns>As of <see cref="TryWrite"/>.</returns>
    /// <exception cref="IOException">The disk failed or is full.</exception>
    public bool TryZero(long offset, int length) =>
        IsPossible(offset, length) && TryWritePiece(offset, HugePage.Zeros[..length]);

    public void Dispose() => _handle?.Dispose();

    private bool IsPossible(long offset, int length)
    {
        if (_isRefused || length is 0 || offset % BlockBytes is not 0 || length % BlockBytes is not 0)
        {
            return false;
        }

        _handle ??= PosixFile.TryReopenDirect(file);
        _isRefused = _handle is null;
        return !_isRefused;
    }

    private bool TryWritePiece(long offset, ReadOnlySpan<byte> piece)
    {
        try
        {
            RandomAccess.Write(_handle!, piece, offset);
            return true;
        }
        catch (IOException e) when (PosixFile.IsInvalidArgument(e))
        {
            _isRefused = true; // A file system or disk that wants other blocks.
            return false;
        }
    }
}
