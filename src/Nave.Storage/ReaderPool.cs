using System.Collections.Concurrent;
using System.Data.Common;
using System.Diagnostics.CodeAnalysis;

namespace Nave.Storage;

/// <summary>A bounded set of reader connections, opened when first needed.</summary>
internal sealed class ReaderPool(SqlDialect dialect) : IAsyncDisposable
{
    // Reads are microseconds, scans up to 200 ms: four let scans run without holding up look-ups.
    private const int MaxReaders = 4;

    private readonly SemaphoreSlim _room = new(MaxReaders);
    private readonly ConcurrentBag<SqlSession> _idle = [];

    public async Task<T> ReadAsync<T>(Func<SqlSession, T> query, CancellationToken stopping)
    {
        await _room.WaitAsync(stopping);
        try
        {
            return await Task.Run(() => Read(query, stopping), stopping);
        }
        finally
        {
            _room.Release();
        }
    }

    [SuppressMessage("Usage", "VSTHRD103", Justification = "It waits for nothing, and reads at once: that is what it is for.")]
    public ValueTask<T> LookUpAsync<TArgument, T>(TArgument argument, Func<SqlSession, TArgument, T> query, CancellationToken stopping)
    {
        // A thread of the transport serves many connections: it waits for no disk.
        if (stopping.IsCancellationRequested || !Thread.CurrentThread.IsThreadPoolThread || !_room.Wait(0, CancellationToken.None))
        {
            return new ValueTask<T>(ReadAsync(session => query(session, argument), stopping));
        }

        try
        {
            return new ValueTask<T>(Read(session => query(session, argument), CancellationToken.None));
        }
        catch (Exception e)
        {
            return ValueTask.FromException<T>(e);
        }
        finally
        {
            _room.Release();
        }
    }

    /// <summary>Waits for running reads, then closes.</summary>
    public async ValueTask DisposeAsync()
    {
        for (var i = 0; i < MaxReaders; i++)
        {
            await _room.WaitAsync();
        }

        while (_idle.TryTake(out var session))
        {
            session.Dispose();
        }
    }

    private T Read<T>(Func<SqlSession, T> query, CancellationToken stopping)
    {
        if (!_idle.TryTake(out var session))
        {
            session = new SqlSession(dialect, dialect.OpenReader());
        }

        try
        {
            if (stopping.CanBeCanceled)
            {
                session.Watch(stopping);
            }

            return query(session);
        }
        catch (DbException e) when (dialect.IsInterrupted(e) && stopping.IsCancellationRequested)
        {
            throw new OperationCanceledException("The query was interrupted.", e, stopping);
        }
        finally
        {
            if (stopping.CanBeCanceled)
            {
                session.Watch(null); // Before the connection is given back: others have not asked for it.
            }

            _idle.Add(session);
        }
    }
}
