using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;
using Nave.Storage.Schema;

namespace Nave.Storage;

/// <summary>
/// The durable facts of a hub in SQL. Writes are units that one writer takes together into group commits, each in a
/// savepoint of its own; a write completes after its commit is on disk. Reads run beside the writer on connections of
/// their own, and see every write that has completed.
/// </summary>
public sealed class HubDatabase : IAsyncDisposable
{
    private readonly GroupCommitWriter _writer;
    private readonly ReaderPool _readers;
    private int _isClosed;

    private HubDatabase(GroupCommitWriter writer, ReaderPool readers, JsonSql json)
    {
        Json = json;
        _writer = writer;
        _readers = readers;
    }

    /// <summary>The dialect's words for JSON.</summary>
    public JsonSql Json { get; }

    /// <summary>Opens the database, brings its schema up to date, and starts the writer.</summary>
    /// <exception cref="NewerDataException">A newer program wrote the data.</exception>
    /// <exception cref="NotOurDataException">The file is of another program.</exception>
    [SuppressMessage("Reliability", "CA2000", Justification = "Owned by the database, disposed of below when opening fails.")]
    public static HubDatabase Open(
        SqlDialect dialect, IReadOnlyCollection<SchemaPart> parts, TimeProvider time, ILogger<HubDatabase> logger)
    {
        var connection = dialect.OpenWriter();
        try
        {
            new SchemaMigrator(dialect, connection, time, logger).Migrate(parts);
            return new HubDatabase(new GroupCommitWriter(dialect, connection, time, logger), new ReaderPool(dialect), dialect.Json);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Runs a unit of writes. It is alone on the writer while it runs, so what it reads cannot change before it commits;
    /// it must be short and wait for nothing. If it throws, its changes are undone and the exception is the caller's;
    /// other units of the same commit are untouched.
    /// </summary>
    /// <exception cref="StorageUnavailableException">The commit failed: nothing is known of the write, retry after reading.</exception>
    public Task<T> WriteAsync<T>(Func<SqlSession, T> unit, CancellationToken stopping) => _writer.WriteAsync(unit, stopping);

    /// <summary>
    /// Runs a unit that is an object, once. What waits for it goes on together with others of its commit: it does not block.
    /// </summary>
    /// <exception cref="StorageUnavailableException">The commit failed, and the unit has no result for that.</exception>
    public ValueTask<T> WriteAsync<T>(WriteUnit<T> unit) => _writer.WriteAsync(unit);

    /// <inheritdoc cref="WriteAsync{T}(Func{SqlSession, T}, CancellationToken)"/>
    public Task WriteAsync(Action<SqlSession> unit, CancellationToken stopping) => _writer.WriteAsync(
        session =>
        {
            unit(session);
            return true;
        },
        stopping);

    /// <summary>Runs a query on a reader connection, on a thread of the pool: never on a connection handler's. A query that has begun is
    /// interrupted when <paramref name="stopping"/> says so.</summary>
    public Task<T> ReadAsync<T>(Func<SqlSession, T> query, CancellationToken stopping) => _readers.ReadAsync(query, stopping);

    /// <summary>
    /// Looks something up by its key, which takes microseconds: less than to hand it to another thread. So it runs at once
    /// where this is a thread of the pool and a reader is free; elsewhere like a read.
    /// </summary>
    /// <param name="argument">What is looked for; handed to <paramref name="query"/>, which captures nothing.</param>
    /// <param name="query">Must be short.</param>
    /// <param name="stopping">Before it begins.</param>
    public ValueTask<T> LookUpAsync<TArgument, T>(TArgument argument, Func<SqlSession, TArgument, T> query, CancellationToken stopping) =>
        _readers.LookUpAsync(argument, query, stopping);

    /// <summary>Commits what has been taken, refuses the rest, checkpoints and closes.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isClosed, 1) != 0)
        {
            return;
        }

        await _writer.DisposeAsync();
        await _readers.DisposeAsync();
    }
}
