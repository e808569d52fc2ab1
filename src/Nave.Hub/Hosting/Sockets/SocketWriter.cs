using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Threading.Tasks.Sources;

namespace Nave.Hub.Hosting.Sockets;

/// <summary>
/// The bytes that a connection sends. A flush hands them to the system at once, on the caller's thread; what the system
/// has no room for goes when the peer has read, and the flush completes then, on a pool thread or, where that is allowed,
/// on the loop's.
/// </summary>
/// <remarks>One writer at a time, which does not write during its flush; cancelling and failing from any thread.</remarks>
internal sealed class SocketWriter(Socket socket) : PipeWriter, IValueTaskSource<FlushResult>
{
    private const int FirstBytes = 256;

    private readonly Lock _lock = new();
    private ManualResetValueTaskSourceCore<FlushResult> _source;
    private CancellationTokenRegistration _cancellation;
    private byte[]? _buffer;
    private int _start;
    private int _end;
    private bool _isWaiting;
    private bool _isCancelAsked;
    private bool _resumesOnLoop;
    private bool _isOver; // Nobody takes anything any more.

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
            if (!_isWaiting)
            {
                _isCancelAsked = true;
                return;
            }

            _isWaiting = false;
        }

        ThreadPool.UnsafeQueueUserWorkItem(
            static writer => writer._source.SetResult(new FlushResult(isCanceled: true, writer._isOver)), this, preferLocal: false);
    }

    /// <inheritdoc/>
    public override void Complete(Exception? exception = null)
    {
        lock (_lock)
        {
            if (!_isWaiting)
            {
                _ = TrySend(default);
            }
        }

        Fail();
    }

    /// <summary>There may be room again. On the loop's thread.</summary>
    public void OnWritable()
    {
        lock (_lock)
        {
            if (!_isWaiting || !TrySend(default))
            {
                return;
            }

            _isWaiting = false;
        }

        if (Volatile.Read(ref _resumesOnLoop))
        {
            _source.SetResult(new FlushResult(isCanceled: false, _isOver));
        }
        else
        {
            ThreadPool.UnsafeQueueUserWorkItem(
                static writer => writer._source.SetResult(new FlushResult(isCanceled: false, writer._isOver)), this, preferLocal: false);
        }
    }

    /// <inheritdoc cref="SocketReader.ResumeOnLoop"/>
    public void ResumeOnLoop() => Volatile.Write(ref _resumesOnLoop, true);

    /// <summary>Nothing can be sent any more: a flush under way completes, and says so.</summary>
    public void Fail()
    {
        lock (_lock)
        {
            _isOver = true;
            if (!_isWaiting)
            {
                return;
            }

            _isWaiting = false;
        }

        ThreadPool.UnsafeQueueUserWorkItem(
            static writer => writer._source.SetResult(new FlushResult(isCanceled: false, isCompleted: true)), this, preferLocal: false);
    }

    /// <summary>Gives memory back. When nobody writes any more.</summary>
    public void Release()
    {
        lock (_lock)
        {
            Free();
        }
    }

    /// <inheritdoc/>
    FlushResult IValueTaskSource<FlushResult>.GetResult(short token)
    {
        if (_cancellation != default)
        {
            _cancellation.Dispose(); // Waits for a callback that is running: a later flush must not meet it.
            _cancellation = default;
        }

        return _source.GetResult(token);
    }

    /// <inheritdoc/>
    ValueTaskSourceStatus IValueTaskSource<FlushResult>.GetStatus(short token) => _source.GetStatus(token);

    /// <inheritdoc/>
    void IValueTaskSource<FlushResult>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);

    private ValueTask<FlushResult> FlushAsync(ReadOnlySpan<byte> more, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<FlushResult>(cancellationToken);
        }

        lock (_lock)
        {
            if (_isWaiting)
            {
                throw new InvalidOperationException("A flush is under way already.");
            }

            if (TrySend(more) || _isCancelAsked)
            {
                var result = new FlushResult(_isCancelAsked, _isOver);
                _isCancelAsked = false;
                return new ValueTask<FlushResult>(result);
            }

            _source.Reset();
            _isWaiting = true;
            if (cancellationToken.CanBeCanceled)
            {
                _cancellation = cancellationToken.UnsafeRegister(
                    static (writer, token) => ((SocketWriter)writer!).Cancel(token), this);
            }

            return new ValueTask<FlushResult>(this, _source.Version);
        }
    }

    private void Cancel(CancellationToken cancelled)
    {
        lock (_lock)
        {
            if (!_isWaiting)
            {
                return;
            }

            _isWaiting = false;
        }

        ThreadPool.UnsafeQueueUserWorkItem(
            static flush => flush.Writer._source.SetException(new OperationCanceledException(flush.Token)), (Writer: this, Token: cancelled), preferLocal: false);
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
                sent += socket.Send(bytes[sent..], SocketFlags.None, out error);
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
