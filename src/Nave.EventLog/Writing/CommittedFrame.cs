using System.Buffers;
using Nave.EventLog.Format;

namespace Nave.EventLog.Writing;

/// <summary>
/// A frame in memory: first what is written, then what tail readers are served from. Counts its users; the last one to
/// release it gives the buffer back.
/// </summary>
internal sealed class CommittedFrame(byte[] buffer, int length, long number, int[] partitions, FrameRun[] runs, int headerBytes) : IDisposable
{
    private int _users = 1;

    public ReadOnlySpan<byte> Bytes => buffer.AsSpan(0, length);

    public int Length => length;

    /// <summary>What it costs to keep.</summary>
    public int HeldBytes => buffer.Length;

    public long Number => number;

    /// <summary>Which partitions have a run in it, in the order of the runs.</summary>
    public int[] Partitions => partitions;

    public FrameRun[] Runs => runs;

    /// <summary>Where the first run begins.</summary>
    public int HeaderBytes => headerBytes;

    public ReadOnlyMemory<byte> Slice(int offset, int bytes) => buffer.AsMemory(offset, bytes);

    /// <summary>Only for one who knows that somebody else still uses it.</summary>
    public void Use() => Interlocked.Increment(ref _users);

    public void Dispose()
    {
        if (Interlocked.Decrement(ref _users) == 0)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
