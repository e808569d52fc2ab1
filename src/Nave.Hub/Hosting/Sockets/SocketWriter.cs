using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;

namespace Nave.Hub.Hosting.Sockets;

/// <summary>
/// The bytes that a connection sends. A flush hands them to the system at once, on the caller's thread; what the system
/// has no room for goes when the peer has read, and the flush completes then.
/// </summary>
/// <remarks>One writer at a time, which does not write during its flush; cancelling and failing from any thread.</remarks>
internal sealed class SocketWriter : PipeWriter
{
    private const int FirstBytes = 256;

    private readonly Socket _socket;
    private readonly Lock _lock = new();
    private readonly SocketWait<FlushResult> _flush;
    private byte[]? _buffer;
    private int _start;
    private int _end;
    private bool _isCancelAsked;
    private bool _isOver; // Nobody takes anything any more.

    public SocketWriter(Socket socket)
    {
        _socket = socket;
        _flush = new SocketWait<FlushResult>(_lock);
    }

    /// <inheritdoc/>
    public override bool CanGetUnflushedBytes => true;

    /// <inheritdoc/>
    public override long UnflushedBytes => _end - _start;

    /// <inheritdoc/>
    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _buffer.AsMemory(_end);
    }

    /// <inheritdoc/>
    public override Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(Math.Max(sizeHint, 1));
        return _buffer.AsSpan(_end);
    }

    /// <inheritdoc/>
    public override void Advance(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)bytes, (uint)((_buffer?.Length ?? 0) - _end));
        _end += bytes;
    }

    /// <inheritdoc/>
    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) =>
        FlushAsync(default, cancellationToken);

    /// <inheritdoc/>
    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default) =>
        FlushAsync(source.Span, cancellationToken);

    /// <inheritdoc/>
    public override void CancelPendingFlush()
    {
        lock (_lock)
        {
            _isCancelAsked = !EndOnPoolLocked(new FlushResult(isCanceled: true, _isOver));
        }
    }

    /// <inheritdoc/>
    public override void Complete(Exception? exception = null)
    {
        lock (_lock)
        {
            if (!_flush.IsUnderWay)
            {
                _ = TrySend(default);
            }
        }

        Fail();
    }

    /// <summary>There may be room again. On the loop's thread.</summary>
    public void OnWritable()
    {
        FlushResult result;
        lock (_lock)
        {
            if (!_flush.IsUnderWay || !TrySend(default))
            {
                return;
            }

            result = new FlushResult(isCanceled: false, _isOver);
            if (!_flush.ResumesOnLoop)
            {
                EndOnPoolLocked(result);
                return;
            }

            _flush.TryEnd();
        }

        _flush.SetResult(result);
    }

    /// <inheritdoc cref="SocketWait{TResult}.ResumeOnLoop"/>
    public void ResumeOnLoop() => _flush.ResumeOnLoop();

    /// <summary>Nothing can be sent any more: a flush under way completes, and says so.</summary>
    public void Fail()
    {
        lock (_lock)
        {
            _isOver = true;
            EndOnPoolLocked(new FlushResult(isCanceled: false, isCompleted: true));
        }
    }

    /// <summary>Gives memory back. When nobody writes any more.</summary>
    public void Release()
    {
        lock (_lock)
        {
            Free();
        }
    }

    private ValueTask<FlushResult> FlushAsync(ReadOnlySpan<byte> more, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<FlushResult>(cancellationToken);
        }

        lock (_lock)
        {
            if (_flush.IsUnderWay)
            {
                throw new InvalidOperationException("A flush is under way already.");
            }

            if (TrySend(more) || _isCancelAsked)
            {
                var result = new FlushResult(_isCancelAsked, _isOver);
                _isCancelAsked = false;
                return new ValueTask<FlushResult>(result);
            }

            return _flush.BeginAsync(cancellationToken);
        }
    }

    /// <returns>False when no flush is under way.</returns>
    private bool EndOnPoolLocked(FlushResult result)
    {
        if (!_flush.TryEnd())
        {
            return false;
        }

        ThreadPool.UnsafeQueueUserWorkItem(static ended => ended.Flush.SetResult(ended.Result), (Flush: _flush, Result: result), preferLocal: false);
        return true;
    }

    /// <returns>False when something is left to be sent; it is kept.</returns>
    private bool TrySend(ReadOnlySpan<byte> more)
    {
        if (_end > _start)
        {
            _start += Send(_buffer.AsSpan(_start, _end - _start));
            if (_start < _end)
            {
                Keep(more);
                return false;
            }
        }

        Free();
        var sent = Send(more);
        Keep(more[sent..]);
        return sent == more.Length;
    }

    /// <returns>How many bytes are gone: all of them where nobody takes any.</returns>
    private int Send(ReadOnlySpan<byte> bytes)
    {
        var sent = 0;
        while (sent < bytes.Length && !_isOver)
        {
            SocketError error;
            try
            {
                sent += _socket.Send(bytes[sent..], SocketFlags.None, out error);
            }
            catch (ObjectDisposedException)
            {
                error = SocketError.OperationAborted;
            }

            if (error is SocketError.WouldBlock)
            {
                return sent;
            }

            _isOver |= error is not SocketError.Success;
        }

        return bytes.Length;
    }

    private void Keep(ReadOnlySpan<byte> bytes)
    {
        if (!bytes.IsEmpty)
        {
            Reserve(bytes.Length);
            bytes.CopyTo(_buffer.AsSpan(_end));
            _end += bytes.Length;
        }
    }

    private void Reserve(int wanted)
    {
        if (_buffer is not null && _buffer.Length - _end >= wanted)
        {
            return;
        }

        var unsent = _end - _start;
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(FirstBytes, Math.Max(unsent * 2, unsent + wanted)));
        _buffer.AsSpan(_start, unsent).CopyTo(larger);
        Free();
        (_buffer, _end) = (larger, unsent);
    }

    private void Free()
    {
        if (_buffer is { } buffer)
        {
            ArrayPool<byte>.Shared.Return(buffer);
            _buffer = null;
        }

        (_start, _end) = (0, 0);
    }
}
