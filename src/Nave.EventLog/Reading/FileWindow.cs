using System.Buffers;

namespace Nave.EventLog.Reading;

/// <summary>
/// A piece of a file in memory, moved along as it is asked for: 256 KB at a time, because hopping by small reads was 18
/// times slower. A buffer that a batch of records lies in lives until both have let go of it.
/// </summary>
internal sealed class FileWindow(int minBytes = FileWindow.DefaultBytes) : IDisposable
{
    public const int DefaultBytes = 256 << 10;

    private Lease? _lease;
    private long _start;
    private int _length;

    /// <summary>The bytes at this offset, from the window or after moving it.</summary>
    /// <param name="limit">Nothing at or behind this offset is read: it may still change.</param>
    /// <returns>Fewer bytes than asked for only where file or limit end.</returns>
    public ReadOnlyMemory<byte> Get(ILogFile file, long offset, int bytes, long limit)
    {
        if (offset < _start || offset + bytes > _start + _length)
        {
            var wanted = (int)Math.Max(0, Math.Min(Math.Max(bytes, minBytes), limit - offset));
            if (_lease is null || !_lease.IsMine || _lease.Buffer.Length < wanted)
            {
                _lease?.Dispose();
                _lease = new Lease(ArrayPool<byte>.Shared.Rent(Math.Max(minBytes, wanted)));
            }

            _start = offset;
            _length = 0; // In case the read throws.
            _length = file.Read(offset, _lease.Buffer.AsSpan(0, wanted));
        }

        var at = (int)(offset - _start);
        return _lease!.Buffer.AsMemory(at, Math.Min(bytes, _length - at));
    }

    /// <summary>Forgets what was read, because another file comes next.</summary>
    public void Clear() => (_start, _length) = (0, 0);

    /// <summary>A use of the current buffer, for records that are handed out; the same one until the window moves.</summary>
    public IDisposable Share() => _lease!.Share();

    public void Dispose()
    {
        _lease?.Dispose();
        _lease = null;
        Clear();
    }

    private sealed class Lease(byte[] buffer) : IDisposable
    {
        private int _users = 1;

        public byte[] Buffer => buffer;

        /// <summary>Whether nobody but the window uses it, so that it may be overwritten.</summary>
        public bool IsMine => Volatile.Read(ref _users) == 1;

        public Lease Share()
        {
            Interlocked.Increment(ref _users);
            return this;
        }

        public void Dispose()
        {
            if (Interlocked.Decrement(ref _users) == 0)
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }
}
