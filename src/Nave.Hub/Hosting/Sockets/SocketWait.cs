using System.Threading.Tasks.Sources;

namespace Nave.Hub.Hosting.Sockets;

/// <summary>
/// The operation of a pipe that waits, one at a time and again and again: who began it, how it ends, where its caller goes
/// on. It goes on upon a pool thread, and once it has said that it may, upon the loop's.
/// </summary>
/// <param name="gate">The pipe's lock; over everything here but setting the result of what has ended.</param>
/// <typeparam name="TResult">What the operation comes to.</typeparam>
internal sealed class SocketWait<TResult>(Lock gate) : IValueTaskSource<TResult>
{
    private ManualResetValueTaskSourceCore<TResult> _source;
    private CancellationTokenRegistration _cancellation;
    private bool _resumesOnLoop;

    /// <summary>Whether an operation is under way.</summary>
    public bool IsUnderWay { get; private set; }

    /// <summary>Whether who waits may go on upon the loop's thread.</summary>
    public bool ResumesOnLoop => Volatile.Read(ref _resumesOnLoop);

    /// <summary>From now on, who waits goes on upon the loop's thread: what it does never blocks nor takes long.</summary>
    public void ResumeOnLoop() => Volatile.Write(ref _resumesOnLoop, true);

    /// <summary>Begins one, where none is under way. The token ends it with an exception.</summary>
    public ValueTask<TResult> BeginAsync(CancellationToken cancellationToken)
    {
        _source.Reset();
        IsUnderWay = true;
        if (cancellationToken.CanBeCanceled)
        {
            _cancellation = cancellationToken.UnsafeRegister(static (wait, token) => ((SocketWait<TResult>)wait!).Cancel(token), this);
        }

        return new ValueTask<TResult>(this, _source.Version);
    }

    /// <summary>Ends the one under way: the caller, and nobody else any more, gives it its result.</summary>
    /// <returns>False when none is.</returns>
    public bool TryEnd()
    {
        var wasUnderWay = IsUnderWay;
        IsUnderWay = false;
        return wasUnderWay;
    }

    /// <summary>Lets who waited go on, on this thread. Once, behind <see cref="TryEnd"/> and without the lock.</summary>
    public void SetResult(TResult result) => _source.SetResult(result);

    /// <inheritdoc cref="SetResult"/>
    public void SetException(Exception failure) => _source.SetException(failure);

    /// <inheritdoc/>
    TResult IValueTaskSource<TResult>.GetResult(short token)
    {
        if (_cancellation != default)
        {
            _cancellation.Dispose(); // Waits for a callback that is running: a later operation must not meet it.
            _cancellation = default;
        }

        return _source.GetResult(token);
    }

    /// <inheritdoc/>
    ValueTaskSourceStatus IValueTaskSource<TResult>.GetStatus(short token) => _source.GetStatus(token);

    /// <inheritdoc/>
    void IValueTaskSource<TResult>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);

    private void Cancel(CancellationToken cancelled)
    {
        lock (gate)
        {
            if (!TryEnd())
            {
                return;
            }
        }

        ThreadPool.UnsafeQueueUserWorkItem(
            static wait => wait.This.SetException(new OperationCanceledException(wait.Token)), (This: this, Token: cancelled), preferLocal: false);
    }
}
