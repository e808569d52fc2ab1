using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using Amqp;

namespace Nave.Hub.Heads.Amqp;

/// <summary>
/// The AMQP engine's transport over a pipe: Kestrel's, or a WebSocket's. Hands whole, judged frames to the engine and
/// takes frames from it without ever making it wait: what the pipe has no room for waits here, counted, up to
/// <see cref="MaxUnsentBytes"/>. The engine's own queue has no bound and tells nobody its length.
/// </summary>
/// <remarks>
/// One reader (the engine's pump); writers from any thread, under one short lock. Nothing is called back under the lock.
/// </remarks>
internal sealed class PipeTransport : IAsyncTransport
{
    /// <summary>What may wait to be sent, per connection (design.md 2, "AMQP").</summary>
    public const int MaxUnsentBytes = 4 * 1024 * 1024;

    /// <summary>From here on readers of the log stop feeding this connection; they go on below half of it.</summary>
    public const int BusyUnsentBytes = 512 * 1024;

    private readonly PipeReader _input;
    private readonly PipeWriter _output;
    private readonly FrameGate _gate;
    private readonly TimeProvider _time;
    private readonly Action _onProgress;
    private readonly Lock _lock = new();
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Read side: the frame being handed out, and what of the pipe's buffer lies behind it.
    private ReadOnlySequence<byte> _read;
    private ReadOnlySequence<byte> _frame;
    private int _patchAt = -1;
    private int _frameAt;
    private bool _hasRead;
    private bool _isHeaderDone;
    private bool _progressDue;
    private bool _isStarted;
    private Task _pause = Task.CompletedTask;

    // Write side, under the lock.
    private ArrayBufferWriter<byte> _waiting = new();
    private ArrayBufferWriter<byte> _spare = new();
    private Task _flushing = Task.CompletedTask;
    private long _flushingBytes;
    private long _queuedBytes; // Not under the lock: in the engine's queue, of what says so.
    private int _corks;
    private bool _isDirty;
    private bool _isBroken;
    private volatile bool _isClosed;

    /// <summary>Makes a transport.</summary>
    /// <param name="pipe">The bytes; the protocol header is the next thing to be read from it.</param>
    /// <param name="gate">Judges what comes in.</param>
    /// <param name="time">The clock of idle time-outs.</param>
    /// <param name="onProgress">Called when there may be room for more: after a flow, a disposition, or a flush that had to wait.</param>
    public PipeTransport(IDuplexPipe pipe, FrameGate gate, TimeProvider time, Action onProgress)
    {
        _input = pipe.Input;
        _output = pipe.Output;
        _gate = gate;
        _time = time;
        _onProgress = onProgress;
        LastReceived = LastSent = time.GetTimestamp();
    }

    /// <summary>Completes when the engine or <see cref="Close"/> has ended the connection.</summary>
    public Task Closed => _closed.Task;

    /// <summary>Timestamp of the last bytes from the peer.</summary>
    public long LastReceived { get; private set; }

    /// <summary>Timestamp of the last bytes to the peer.</summary>
    public long LastSent { get; private set; }

    /// <summary>The rule that the peer broke, if it did.</summary>
    public string? Violation { get; private set; }

    /// <summary>Bytes for the peer that the pipe has not passed on: taken from the engine, or in its queue and told of.</summary>
    public long UnsentBytes
    {
        get
        {
            lock (_lock)
            {
                return _flushingBytes + _waiting.WrittenCount + Interlocked.Read(ref _queuedBytes);
            }
        }
    }

    /// <summary>Whether readers should wait for <c>onProgress</c> before they send more.</summary>
    public bool IsBusy => UnsentBytes >= BusyUnsentBytes;

    public void SetConnection(Connection connection)
    {
    }

    public void Send(ByteBuffer buffer) => throw new NotSupportedException("The engine sends asynchronously.");

    public int Receive(byte[] buffer, int offset, int count) => throw new NotSupportedException("The engine receives asynchronously.");

    public Task SendAsync(IList<ByteBuffer> bufferList, int listSize)
    {
        lock (_lock)
        {
            if (_isBroken || _isClosed)
            {
                return Task.FromException(new IOException("The connection has ended."));
            }

            if (!_flushing.IsCompleted && _waiting.WrittenCount + listSize > MaxUnsentBytes)
            {
                _isBroken = true;
                Violation = "does not read what it asked for";
                return Task.FromException(new IOException("Too many bytes unsent."));
            }

            IBufferWriter<byte> destination = _flushing.IsCompleted ? _output : _waiting;
            for (var i = 0; i < bufferList.Count; i++)
            {
                var buffer = bufferList[i];
                destination.Write(buffer.Buffer.AsSpan(buffer.Offset, buffer.Length));
                if (buffer is TransferBatch.Frames frames)
                {
                    Interlocked.Add(ref _queuedBytes, -frames.Length);
                    frames.Return();
                }
            }

            Sent();
        }

        return Task.CompletedTask;
    }

    /// <summary>Sends an empty frame if nothing else is on its way.</summary>
    public void KeepAwake()
    {
        lock (_lock)
        {
            if (!_isBroken && !_isClosed && _flushing.IsCompleted && !_isDirty)
            {
                _output.Write(AmqpFrame.Empty);
                Sent();
            }
        }
    }

    /// <summary>So many bytes have been put into the engine's queue.</summary>
    public void OnQueued(int bytes) => Interlocked.Add(ref _queuedBytes, bytes);

    /// <summary>Holds back flushes, but of much, until <see cref="Uncork"/>, so that a batch of messages leaves in one.</summary>
    public void Cork()
    {
        lock (_lock)
        {
            _corks++;
        }
    }

    /// <summary>Ends a batch.</summary>
    public void Uncork()
    {
        lock (_lock)
        {
            if (--_corks == 0 && _isDirty)
            {
                Flush();
            }
        }
    }

    /// <summary>The next frame is handed out when the task has completed, however. For the read loop only.</summary>
    public void PauseUntil(Task task) => _pause = _pause.IsCompleted ? task : Task.WhenAll(_pause, task);

    /// <summary>Ends the connection: the engine's next read fails, what has been taken is still flushed.</summary>
    /// <remarks>
    /// May be called under the locks of the engine's writer and of a session: nothing may run on from here but later. The
    /// pipes' CancelPendingRead keeps to that, those of Kestrel, TLS, WebSockets and <c>Hosting/Sockets</c>.
    /// </remarks>
    public void Close()
    {
        _isClosed = true;
        _closed.TrySetResult();
        _input.CancelPendingRead();
    }

    /// <summary>Waits until everything taken before the close has gone out, or cannot.</summary>
    public Task DrainAsync()
    {
        lock (_lock)
        {
            return _flushing;
        }
    }

    public Task<int> ReceiveAsync(byte[] buffer, int offset, int count) =>
        _frame.IsEmpty ? ReceiveNextAsync(buffer, offset, count) : Task.FromResult(Take(buffer, offset, count));

    private async Task<int> ReceiveNextAsync(byte[] buffer, int offset, int count)
    {
        if (!_isStarted)
        {
            // The engine starts its pump on its accept loop: nobody's first bytes may hold up the next one's accept.
            _isStarted = true;
            await Task.Yield();
        }

        if (!_pause.IsCompleted)
        {
            await _pause.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        if (_progressDue)
        {
            _progressDue = false; // The frame that we handed out last has been processed by now.
            _onProgress();
        }

        while (!_isClosed)
        {
            if (_hasRead && TryNextFrame())
            {
                return Take(buffer, offset, count);
            }

            if (Violation is not null)
            {
                break;
            }

            if (_hasRead)
            {
                _hasRead = false;
                _input.AdvanceTo(_read.Start, _read.End);
            }

            var result = await _input.ReadAsync();
            _read = result.Buffer;
            _hasRead = true;
            if (!result.Buffer.IsEmpty)
            {
                LastReceived = _time.GetTimestamp();
            }

            if (result.IsCanceled || (result.IsCompleted && !TryPeekSize(out _)))
            {
                break;
            }
        }

        ReleaseRead();
        return 0; // To the engine: the transport is closed.
    }

    /// <summary>Finds the next frame that the engine may see; false when more bytes are needed or the peer broke a rule.</summary>
    private bool TryNextFrame()
    {
        while (TryPeekSize(out var size))
        {
            _frame = _read.Slice(0, size);
            _read = _read.Slice(size);
            _frameAt = 0;
            _patchAt = -1;
            if (!_isHeaderDone)
            {
                _isHeaderDone = true;
                return true;
            }

            var verdict = Judge(_frame, out var violation);
            if (verdict is GateVerdict.Pass)
            {
                _progressDue = _gate.IsProgress;
                return true;
            }

            _frame = default;
            if (verdict is GateVerdict.Refuse)
            {
                Violation = violation;
                return false;
            }
        }

        return false;
    }

    /// <summary>Whether a whole frame (at first: the protocol header) is there. Breaks the connection over a size that cannot be.</summary>
    private bool TryPeekSize(out int size)
    {
        size = AmqpFrame.HeaderBytes;
        if (_isHeaderDone)
        {
            Span<byte> prefix = stackalloc byte[4];
            if (_read.Length < 4)
            {
                return false;
            }

            _read.Slice(0, 4).CopyTo(prefix);
            size = BinaryPrimitives.ReadInt32BigEndian(prefix);
            if (size is < AmqpFrame.HeaderBytes or > AmqpFrame.MaxBytes)
            {
                Violation = "frame size out of bounds";
                return false;
            }
        }

        return _read.Length >= size;
    }

    private GateVerdict Judge(in ReadOnlySequence<byte> frame, out string violation)
    {
        if (frame.IsSingleSegment)
        {
            return _gate.Judge(frame.FirstSpan, out _patchAt, out violation);
        }

        var joined = ArrayPool<byte>.Shared.Rent((int)frame.Length);
        frame.CopyTo(joined);
        var verdict = _gate.Judge(joined.AsSpan(0, (int)frame.Length), out _patchAt, out violation);
        ArrayPool<byte>.Shared.Return(joined);
        return verdict;
    }

    private int Take(byte[] buffer, int offset, int count)
    {
        var taken = (int)Math.Min(count, _frame.Length);
        _frame.Slice(0, taken).CopyTo(buffer.AsSpan(offset));
        if (_patchAt >= _frameAt && _patchAt < _frameAt + taken)
        {
            buffer[offset + _patchAt - _frameAt] = 0x42;
        }

        _frame = _frame.Slice(taken);
        _frameAt += taken;
        return taken;
    }

    private void ReleaseRead()
    {
        if (_hasRead)
        {
            _hasRead = false;
            _frame = default;
            _input.AdvanceTo(_read.Start, _read.End);
        }
    }

    // Under the lock.
    private void Sent()
    {
        LastSent = _time.GetTimestamp();
        if (!_flushing.IsCompleted)
        {
            return; // It waits for its turn.
        }

        _isDirty = true;
        if (_corks == 0 || (_output.CanGetUnflushedBytes && _output.UnflushedBytes >= BusyUnsentBytes))
        {
            Flush();
        }
    }

    // Under the lock, with no flush under way.
    private void Flush()
    {
        _isDirty = false;
        _flushingBytes = _output.CanGetUnflushedBytes ? _output.UnflushedBytes : 0;
        var flush = _output.FlushAsync();
        if (flush.IsCompletedSuccessfully)
        {
            _flushingBytes = 0;
            _isBroken |= flush.Result.IsCompleted;
            return;
        }

        _flushing = FlushOnAsync(flush);
    }

    private async Task FlushOnAsync(ValueTask<FlushResult> flush)
    {
        try
        {
            while (true)
            {
                var isPeerGone = (await flush).IsCompleted;
                lock (_lock)
                {
                    _flushingBytes = 0;
                    _isBroken |= isPeerGone;
                    if (_isBroken || _waiting.WrittenCount == 0)
                    {
                        // What comes now goes straight to the pipe again.
                        _flushing = Task.CompletedTask;
                        break;
                    }

                    (_waiting, _spare) = (_spare, _waiting);
                    _output.Write(_spare.WrittenSpan);
                    _flushingBytes = _spare.WrittenCount;
                    _spare = _spare.Capacity > BusyUnsentBytes ? new ArrayBufferWriter<byte>() : _spare;
                    _spare.ResetWrittenCount();
                    flush = _output.FlushAsync();
                }

                _onProgress();
            }
        }
        catch (Exception e) when (e is IOException or InvalidOperationException or OperationCanceledException)
        {
            // The transport's end in its several forms; the read side tells the engine.
            lock (_lock)
            {
                _isBroken = true;
                _flushing = Task.CompletedTask;
            }
        }

        _onProgress();
    }
}
