using System.Diagnostics.CodeAnalysis;
using System.Threading.Tasks.Sources;

namespace Nave.Storage;

/// <summary>A write on its way to the database: what to do, and whoever waits for it.</summary>
public abstract class WriteUnit
{
    private protected WriteUnit()
    {
    }

    /// <summary>
    /// Whether it may have changed something when it throws: all but one that changes with its last statement only, for SQL
    /// undoes a statement that fails by itself. Such a one is spared the savepoint.
    /// </summary>
    protected internal abstract bool NeedsSavepoint { get; }

    internal abstract bool IsCancelled { get; }

    /// <summary>Whether <see cref="Complete"/> runs what waits, so that it is no business of the writer's thread.</summary>
    internal abstract bool RunsWaiters { get; }

    internal abstract void RunIn(SqlSession session);

    internal abstract void Thrown(Exception e);

    internal abstract void Complete(Exception? commitFailure);

    internal void Fail(Exception e)
    {
        Thrown(e);
        Complete(null);
    }
}

/// <summary>
/// A unit as an object, for what is written most: it is queued, run and awaited without a task or a delegate, and what waits
/// for it goes on together with others of its commit on a pool thread. Written once; awaited once, at once.
/// </summary>
public abstract class WriteUnit<T> : WriteUnit, IValueTaskSource<T>
{
    private ManualResetValueTaskSourceCore<T> _completion; // Mutable: never readonly.
    private T? _result;
    private Exception? _thrown;

    internal override bool IsCancelled => false;

    internal override bool RunsWaiters => true;

    internal ValueTask<T> Completion => new(this, _completion.Version);

    /// <inheritdoc/>
    T IValueTaskSource<T>.GetResult(short token) => _completion.GetResult(token);

    /// <inheritdoc/>
    ValueTaskSourceStatus IValueTaskSource<T>.GetStatus(short token) => _completion.GetStatus(token);

    /// <inheritdoc/>
    void IValueTaskSource<T>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _completion.OnCompleted(continuation, state, token, flags);

    /// <summary>What is done on the writer: see <see cref="HubDatabase.WriteAsync{T}(Func{SqlSession, T}, CancellationToken)"/>.</summary>
    protected abstract T Run(SqlSession session);

    /// <summary>The result that stands for a write which the database could not take; without one the failure is thrown.</summary>
    protected virtual bool TryReplace(StorageUnavailableException failure, [MaybeNullWhen(false)] out T result)
    {
        result = default;
        return false;
    }

    internal override void RunIn(SqlSession session) => _result = Run(session);

    internal override void Thrown(Exception e) => _thrown = e;

    internal override void Complete(Exception? commitFailure)
    {
        if ((_thrown ?? commitFailure) is not { } failure)
        {
            _completion.SetResult(_result!);
        }
        else if (failure is StorageUnavailableException unavailable && TryReplace(unavailable, out var result))
        {
            _completion.SetResult(result);
        }
        else
        {
            _completion.SetException(failure);
        }
    }
}
