using System.Data.Common;
using Microsoft.Extensions.Logging;

namespace Nave.Storage;

/// <summary>
/// Owns the writer connection and the thread that uses it. Takes what has gathered while the last commit was synced,
/// for up to <see cref="MaxBatchTime"/>, and commits it at once. No lingering: the sync under way is the window in
/// which a batch gathers, so a lone write waits for nothing.
/// </summary>
internal sealed partial class GroupCommitWriter : IAsyncDisposable
{
    // A batch ends by its time; more units only where each takes microseconds: they share pages and the sync.
    private const int MaxBatch = 512;

    // Callers wait for room beyond this, so a flood of writes holds their requests back instead of memory.
    private const int MaxQueued = 4096;

    private static readonly TimeSpan MaxBatchTime = TimeSpan.FromMilliseconds(4);

    private readonly SqlDialect _dialect;
    private readonly DbConnection _connection;
    private readonly SqlSession _session;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly WriteQueue _queue;
    private readonly SemaphoreSlim _room = new(MaxQueued);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public GroupCommitWriter(SqlDialect dialect, DbConnection connection, TimeProvider time, ILogger logger)
    {
        _dialect = dialect;
        _connection = connection;
        _session = new SqlSession(dialect, connection);
        _time = time;
        _logger = logger;
        _queue = new WriteQueue(() => _room.Release());
        new Thread(Run) { IsBackground = true, Name = "nave-sql-writer" }.Start();
    }

    public async Task<T> WriteAsync<T>(Func<SqlSession, T> work, CancellationToken stopping)
    {
        await _room.WaitAsync(stopping);
        var unit = new Work<T>(work, stopping);
        _queue.Add(unit);
        return await unit.Completion;
    }

    /// <summary>Not async: the usual unit finds room.</summary>
    public ValueTask<T> WriteAsync<T>(WriteUnit<T> unit)
    {
        var room = _room.WaitAsync();
        if (!room.IsCompletedSuccessfully)
        {
            return WriteWithRoomAsync(room, unit);
        }

        _queue.Add(unit);
        return unit.Completion;
    }

    public async ValueTask DisposeAsync()
    {
        _queue.Close();
        await _ended.Task;
        _queue.Dispose();
    }

    private async ValueTask<T> WriteWithRoomAsync<T>(Task room, WriteUnit<T> unit)
    {
        await room;
        _queue.Add(unit);
        return await unit.Completion;
    }

    private void Run()
    {
        var batch = new List<WriteUnit>(MaxBatch);
        try
        {
            while (_queue.Take(out var first))
            {
                Commit(first, batch);
                batch.Clear();
            }

            Close();
            _queue.End(new StorageUnavailableException("The database is closed."));
            _ended.SetResult();
        }
        catch (Exception e) // The thread's last line: whoever waits must hear of it.
        {
            Log.WriterFailed(_logger, e);
            var reason = new StorageUnavailableException("The database's writer has stopped.", e);
            _session.Dispose(); // Which ends the transaction, before anybody is told that it failed.
            if (batch.Count > 0)
            {
                _room.Release(batch.Count);
                Complete(batch, reason);
            }

            _queue.End(reason);
            _ended.SetResult();
        }
    }

    private void Commit(WriteUnit first, List<WriteUnit> batch)
    {
        var started = _time.GetTimestamp();
        Exception? failure = null;
        batch.Add(first);
        try
        {
            Execute(_dialect.BeginWrite);
            RunUnit(first);
            while (batch.Count < MaxBatch && _time.GetElapsedTime(started) < MaxBatchTime && _queue.TryTake(out var next))
            {
                batch.Add(next);
                RunUnit(next);
            }

            Execute("COMMIT");
        }
        catch (Exception e) when (e is DbException or BatchLostException)
        {
            failure = Fail(e);
        }

        _room.Release(batch.Count);
        Complete(batch, failure);
    }

    private static void Complete(List<WriteUnit> batch, Exception? failure)
    {
        List<WriteUnit>? others = null;
        foreach (var unit in batch)
        {
            if (unit.RunsWaiters)
            {
                (others ??= new List<WriteUnit>(batch.Count)).Add(unit);
            }
            else
            {
                unit.Complete(failure);
            }
        }

        if (others is not null)
        {
            new CommittedUnits([.. others], failure).Queue();
        }
    }

    private void RunUnit(WriteUnit unit)
    {
        if (unit.IsCancelled)
        {
            return;
        }

        var needsSavepoint = unit.NeedsSavepoint;
        if (needsSavepoint)
        {
            Execute("SAVEPOINT unit");
        }

        try
        {
            unit.RunIn(_session);
            if (needsSavepoint)
            {
                Execute("RELEASE unit");
            }
        }
        catch (Exception e)
        {
            if (!_dialect.IsInTransaction(_connection))
            {
                throw new BatchLostException(e); // A full disk may end the transaction, and with it the units before this one.
            }

            if (needsSavepoint)
            {
                Execute("ROLLBACK TO unit");
                Execute("RELEASE unit");
            }

            unit.Thrown(e is DbException sql && _dialect.IsUnavailable(sql) ? Unavailable(sql) : e);
        }
    }

    private StorageUnavailableException Fail(Exception e)
    {
        Log.CommitFailed(_logger, e);
        if (_dialect.IsInTransaction(_connection))
        {
            try
            {
                Execute("ROLLBACK");
            }
            catch (DbException rollback)
            {
                Log.CommitFailed(_logger, rollback);
            }
        }

        return Unavailable(e);
    }

    private void Close()
    {
        try
        {
            _dialect.Checkpoint(_connection);
        }
        catch (DbException e)
        {
            Log.CheckpointFailed(_logger, e); // What was committed is in the log and will be read from there.
        }

        _session.Dispose();
    }

    private static StorageUnavailableException Unavailable(Exception e) => new("The database cannot be written now.", e);

    private void Execute(string sql) => _session.Execute(sql);

    /// <summary>A unit as a function, with a task for whoever waits.</summary>
    private sealed class Work<T>(Func<SqlSession, T> work, CancellationToken stopping) : WriteUnit
    {
        private readonly TaskCompletionSource<T> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private T? _result;
        private Exception? _thrown;
        private bool _hasRun;

        public Task<T> Completion => _completion.Task;

        protected internal override bool NeedsSavepoint => true;

        internal override bool IsCancelled => stopping.IsCancellationRequested;

        internal override bool RunsWaiters => false;

        internal override void RunIn(SqlSession session)
        {
            _hasRun = true;
            _result = work(session);
        }

        internal override void Thrown(Exception e) => _thrown = e;

        internal override void Complete(Exception? commitFailure)
        {
            if ((_thrown ?? commitFailure) is { } failure)
            {
                _completion.SetException(failure);
            }
            else if (!_hasRun)
            {
                _completion.SetCanceled(stopping);
            }
            else
            {
                _completion.SetResult(_result!);
            }
        }
    }

    private sealed class BatchLostException(Exception cause) : Exception("The transaction ended under a unit.", cause);

    private static partial class Log
    {
        [LoggerMessage(7001, LogLevel.Critical, "The database's writer has stopped: no identity, policy or subscription can be changed until a restart")]
        public static partial void WriterFailed(ILogger logger, Exception e);

        [LoggerMessage(7002, LogLevel.Error, "A commit to the database failed: its writes were refused")]
        public static partial void CommitFailed(ILogger logger, Exception e);

        [LoggerMessage(7003, LogLevel.Warning, "The database could not be checkpointed at the stop: the next start reads its log")]
        public static partial void CheckpointFailed(ILogger logger, Exception e);
    }
}
