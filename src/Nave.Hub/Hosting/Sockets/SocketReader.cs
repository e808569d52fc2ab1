using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace Nave.Hub.Hosting.Sockets;

/// <summary>
/// The bytes that a connection receives. Nothing is read before somebody asks for it, and no memory is held while nothing
/// is there.
/// </summary>
/// <remarks>One reader at a time; cancelling and failing from any thread.</remarks>
internal sealed class SocketReader : PipeReader, IThreadPoolWorkItem
{
    // What one read takes at most: a window of 100 small messages takes two.
    private const int ReadBytes = 16 * 1024;

    // With less room than this a buffer grows before the next read.
    private const int MinRoom = 2 * 1024;

    private readonly Socket _socket;
    private readonly SocketLoop _loop;
    private readonly Lock _lock = new();
    private readonly SocketWait<ReadResult> _read;
    private byte[]? _buffer;
    private int _start;
    private int _examined;
    private int _end;
    private bool _isReadable; // As far as is known: more may be there.
    private bool _isEnding; // The peer has sent its last: no further event tells of it.
    private bool _isAtEnd;
    private bool _isCancelAsked;
    private Exception? _failure;

    public SocketReader(Socket socket, SocketLoop loop)
    {
        (_socket, _loop) = (socket, loop);
        _read = new SocketWait<ReadResult>(_lock);
    }

    /// <inheritdoc/>
    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<ReadResult>(cancellationToken);
        }

        lock (_lock)
        {
            if (_read.IsUnderWay)
            {
                throw new InvalidOperationException("A read is under way already.");
            }

            if (TryAnswer(out var answer))
            {
                return answer;
            }

            if (_isReadable && !_read.ResumesOnLoop)
            {
                // Upon the pool there is no round of others to wait for: what has come meanwhile is taken at once.
                Receive();
                if (TryAnswer(out answer))
                {
                    return answer;
                }
            }

            Shrink();
            var read = _read.BeginAsync(cancellationToken);
            if (_isReadable)
            {
                _loop.Post(this);
            }

            return read;
        }
    }

    /// <inheritdoc/>
    public override bool TryRead(out ReadResult result)
    {
        lock (_lock)
        {
            return TryTake(out result);
        }
    }

    /// <inheritdoc/>
    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    /// <inheritdoc/>
    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        if (_buffer is null)
        {
            return;
        }

        _start = IndexOf(consumed);
        _examined = Math.Max(_start, IndexOf(examined));
        if (_start == _end)
        {
            Free();
        }
    }

    /// <inheritdoc/>
    public override void CancelPendingRead()
    {
        lock (_lock)
        {
            _isCancelAsked = true;
            ResumeOnPoolLocked();
        }
    }

    /// <inheritdoc/>
    public override void Complete(Exception? exception = null) => Fail(new InvalidOperationException("Reading is over."));

    /// <summary>Something may be there. On the loop's thread.</summary>
    /// <param name="isEnding">Whether what is there is the last.</param>
    public void OnReadable(bool isEnding)
    {
        lock (_lock)
        {
            _isReadable = true;
            _isEnding |= isEnding;
            if (!_read.IsUnderWay)
            {
                return;
            }
        }

        Resume();
    }

    /// <inheritdoc cref="SocketWait{TResult}.ResumeOnLoop"/>
    public void ResumeOnLoop() => _read.ResumeOnLoop();

    /// <summary>Ends reading, and whoever waits for bytes with the exception. What is there may still be read.</summary>
    public void Fail(Exception failure)
    {
        lock (_lock)
        {
            _failure ??= failure;
            ResumeOnPoolLocked();
        }
    }

    /// <summary>Gives memory back. When nobody reads any more.</summary>
    public void Release()
    {
        lock (_lock)
        {
            Free();
        }
    }

    /// <inheritdoc/>
    void IThreadPoolWorkItem.Execute() => Resume();

    private ReadOnlySequence<byte> Unread =>
        _buffer is null ? ReadOnlySequence<byte>.Empty : new ReadOnlySequence<byte>(_buffer, _start, _end - _start);

    // On the loop's thread: receives for whoever waits, and goes on with it.
    private void Resume()
    {
        lock (_lock)
        {
            if (!_read.IsUnderWay)
            {
                return;
            }

            Receive();
            if (!HasResult && _failure is null)
            {
                return;
            }

            if (!_read.ResumesOnLoop)
            {
                ResumeOnPoolLocked();
                return;
            }

            _read.TryEnd();
        }

        SetResult();
    }

    private void ResumeOnPoolLocked()
    {
        if (_read.TryEnd())
        {
            ThreadPool.UnsafeQueueUserWorkItem(static reader => reader.SetResult(), this, preferLocal: false);
        }
    }

    // Nobody else touches the bytes meanwhile: who waits has not been told yet.
    private void SetResult()
    {
        ReadResult result;
        Exception? failure = null;
        lock (_lock)
        {
            if (!TryTake(out result))
            {
                failure = _failure!; // One of the two is there, or there would be nothing to tell.
            }
        }

        if (failure is null)
        {
            _read.SetResult(result);
        }
        else
        {
            _read.SetException(failure);
        }
    }

    // The highest bit of an end of a sequence over an array is a mark of its own.
    private static int IndexOf(SequencePosition position) => position.GetInteger() & int.MaxValue;

    private bool HasResult => _isCancelAsked || _isAtEnd || _end > _examined;

    private bool TryTake(out ReadResult result)
    {
        if (HasResult)
        {
            result = new ReadResult(Unread, _isCancelAsked, _isAtEnd);
            _isCancelAsked = false;
            return true;
        }

        result = default;
        return false;
    }

    private bool TryAnswer(out ValueTask<ReadResult> answer)
    {
        if (TryTake(out var result))
        {
            answer = new ValueTask<ReadResult>(result);
            return true;
        }

        answer = _failure is null ? default : ValueTask.FromException<ReadResult>(_failure);
        return _failure is not null;
    }

    private void Receive()
    {
        Reserve();
        var room = _buffer.AsSpan(_end);
        SocketError error;
        int received;
        try
        {
            received = _socket.Receive(room, SocketFlags.None, out error);
        }
        catch (ObjectDisposedException)
        {
            (received, error) = (0, SocketError.OperationAborted);
        }

        switch (error)
        {
            case SocketError.Success:
                _end += received;
                _isAtEnd = received is 0;

                // Less than there was room for: the rest is still to come, and will be told.
                _isReadable = received == room.Length || _isEnding;
                break;
            case SocketError.WouldBlock:
                _isReadable = false;
                break;
            default:
                _failure ??= new ConnectionResetException($"The connection has failed: {error}.");
                break;
        }

        if (_start == _end)
        {
            Free();
        }
    }

    private void Reserve()
    {
        if (_buffer is null)
        {
            _buffer = ArrayPool<byte>.Shared.Rent(ReadBytes);
        }
        else if (_buffer.Length - _end < MinRoom)
        {
            Move(Math.Max(ReadBytes, 2 * (_end - _start)));
        }
    }

    // A peer that stops in the middle of a packet holds little more than it has sent.
    private void Shrink()
    {
        if (_buffer is not null && _buffer.Length >= ReadBytes && (_end - _start) * 4 < _buffer.Length)
        {
            Move(_end - _start);
        }
    }

    private void Move(int wanted)
    {
        var other = ArrayPool<byte>.Shared.Rent(wanted);
        Unread.CopyTo(other);
        ArrayPool<byte>.Shared.Return(_buffer!);
        (_buffer, _end, _examined, _start) = (other, _end - _start, _examined - _start, 0);
    }

    private void Free()
    {
        if (_buffer is { } buffer)
        {
            ArrayPool<byte>.Shared.Return(buffer);
            _buffer = null;
        }

        (_start, _examined, _end) = (0, 0, 0);
    }
}
