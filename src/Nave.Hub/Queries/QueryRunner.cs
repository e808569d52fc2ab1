using System.Data.Common;
using Microsoft.Extensions.Logging;
using Nave.Hub.Devices;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;
using Nave.Storage;

namespace Nave.Hub.Queries;

/// <summary>
/// Runs queries and conditions page by page. Reads what has been committed when a page begins; between pages nothing is
/// held. A few run at once and each for a bounded time, so that look-ups always find a reader free.
/// </summary>
internal sealed partial class QueryRunner(
    HubDatabase database, QueryTables tables, QueryIndexes indexes, QueryOptions options, TimeProvider time, ILogger<QueryRunner> logger) : IDisposable
{
    /// <summary>Rows of a page where nothing else is said (spec/service-rest.md 8).</summary>
    public const int DefaultPageSize = 100;

    /// <summary>Rows of the largest page.</summary>
    public const int MaxPageSize = 1000;

    // Half of the store's readers: what a device's connect reads never waits for a scan.
    private const int MaxConcurrent = 2;

    // A page ends early here: a thousand twins of the largest size would be 100 MB.
    private const int MaxPageBytes = 4 << 20;

    private readonly SemaphoreSlim _room = new(MaxConcurrent);

    /// <summary>One page of a statement's result.</summary>
    public async Task<Outcome<QueryPage>> RunAsync(string text, string? continuation, int pageSize, CancellationToken stopping)
    {
        if (!QueryParser.Parse(text).TryGet(out var query, out var failure))
        {
            return failure;
        }

        var table = tables.Of(query.Source);
        ContinuationToken? token = null;
        if (!string.IsNullOrEmpty(continuation) &&
            !ContinuationToken.TryRead(continuation, text, query.IsAggregate ? 0 : table.Keys.Count, out token))
        {
            return HubFailures.ArgumentInvalid.Saying("The continuation token is not one of this query.");
        }

        var delivered = token?.Delivered ?? 0;
        var size = (int)Math.Min(Math.Clamp(pageSize, 1, MaxPageSize), Math.Max(0, (query.Top ?? long.MaxValue) - delivered));
        var page = new PageReader(query, table, token, size);
        if (await ReadAsync(table, page.Statement(database.Json), page.Take, stopping) is { } refusal)
        {
            return refusal;
        }

        return page.Finish(table.ItemType);
    }

    /// <summary>Identities that match a condition, after one; null for the first.</summary>
    public async Task<Outcome<IdentityPage>> ListAsync(QueryCondition condition, IdentityId? after, int max, CancellationToken stopping)
    {
        var table = tables.Of(condition.Source);
        string[]? key = after is { } last ? [last.Device.Value, IdentityStore.ModuleColumn(last)] : null;
        var ids = new List<IdentityId>();
        var failure = await ReadAsync(
            table,
            QueryStatement.OfKeys(table, database.Json, condition.Where, key, max + 1),
            row =>
            {
                ids.Add(IdentityStore.ReadId(row, 0, 1));
                return true;
            },
            stopping);
        return failure is not null ? failure : new IdentityPage([.. ids.Take(max)], ids.Count > max);
    }

    /// <summary>How many identities match a condition.</summary>
    public async Task<(long Count, HubFailure? Failure)> CountAsync(QueryCondition condition, CancellationToken stopping)
    {
        var table = tables.Of(condition.Source);
        var count = 0L;
        var failure = await ReadAsync(
            table,
            QueryStatement.OfCount(table, database.Json, condition.Where),
            row =>
            {
                count = row.GetInt64(0);
                return false;
            },
            stopping);
        return (count, failure);
    }

    /// <summary>Whether one identity matches a condition now, inside a unit of somebody else's.</summary>
    public bool Matches(SqlSession session, QueryCondition condition, IdentityId id)
    {
        if (id.IsModule != condition.Source is QuerySource.Modules)
        {
            return false;
        }

        var statement = QueryStatement.OfCount(tables.Of(condition.Source), database.Json, condition.Where);
        var found = 0L;
        session.ReadPart(
            statement.Sql + " AND t.device_id = @device AND t.module_id = @module",
            [.. statement.Parameters, ("@device", id.Device.Value), ("@module", IdentityStore.ModuleColumn(id))],
            row =>
            {
                found = row.GetInt64(0);
                return false;
            });
        return found > 0;
    }

    /// <summary>Which of some devices match a condition now, inside a unit of somebody else's.</summary>
    public HashSet<string> ListAmong(SqlSession session, QueryCondition condition, IReadOnlyCollection<string> devices)
    {
        var statement = QueryStatement.OfDevices(tables.Of(QuerySource.Devices), database.Json, condition.Where, devices);
        var found = new HashSet<string>(StringComparer.Ordinal);
        session.ReadPart(statement.Sql, [.. statement.Parameters], row => found.Add(row.GetString(0)));
        return found;
    }

    /// <inheritdoc/>
    public void Dispose() => _room.Dispose();

    private async Task<HubFailure?> ReadAsync(QueryTable table, QueryStatement statement, Func<DbDataReader, bool> takesMore, CancellationToken stopping)
    {
        using var clock = new CancellationTokenSource(options.Timeout, time);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(clock.Token, stopping);
        try
        {
            await table.PrepareAsync(statement.Fields);
            await _room.WaitAsync(deadline.Token);
            try
            {
                var elapsed = await database.ReadAsync(
                    session =>
                    {
                        var started = time.GetTimestamp();
                        session.ReadPart(statement.Sql, [.. statement.Parameters], takesMore);
                        return time.GetElapsedTime(started);
                    },
                    deadline.Token);
                indexes.Observe(statement.EqualPaths, elapsed);

                // A clock that was late, since every thread of the pool was busy, makes the limit no longer.
                return elapsed > options.Timeout ? TookTooLong() : null;
            }
            finally
            {
                _room.Release();
            }
        }
        catch (OperationCanceledException) when (clock.IsCancellationRequested && !stopping.IsCancellationRequested)
        {
            return TookTooLong();
        }
    }

    private HubFailure TookTooLong()
    {
        Log.TooLong(logger, options.Timeout.TotalSeconds);
        return HubFailures.Timeout.Saying(
            $"The query took longer than {options.Timeout.TotalSeconds:0.#} seconds. Make it narrower, or have its paths indexed (Queries:IndexedPaths).");
    }

    /// <summary>Reads one page and knows where the next begins.</summary>
    private sealed class PageReader(Query query, QueryTable table, ContinuationToken? token, int size)
    {
        private readonly List<byte[]> _rows = [];
        private readonly bool _isKeysOnly = query.Items.Count > 0 && !query.IsAggregate &&
            query.Source is not QuerySource.Jobs && query.Items.All(item => item.Path is { Steps.Count: 1, Root: "deviceId" });

        private string[] _lastKey = [];
        private long _bytes;
        private bool _hasMore;

        // One row more than the page holds tells whether another page follows.
        public QueryStatement Statement(JsonSql json) =>
            query.IsAggregate ? QueryStatement.OfGroups(table, json, query, token?.Delivered ?? 0, size + 1)
            : _isKeysOnly ? QueryStatement.OfKeys(table, json, query.Where, token?.Key, size + 1)
            : QueryStatement.OfDocuments(table, json, query.Where, token?.Key, size + 1);

        public bool Take(DbDataReader row)
        {
            if (_rows.Count == size || _bytes >= MaxPageBytes)
            {
                _hasMore = true;
                return false;
            }

            var item = query.IsAggregate ? QueryRows.ReadGroup(query.Items, row)
                : _isKeysOnly ? QueryRows.OfDeviceId(query.Items, row.GetString(0))
                : query.Items.Count == 0 ? table.Read(row)
                : QueryRows.Project(query.Items, table.Read(row));
            _rows.Add(item);
            _bytes += item.Length;
            if (!query.IsAggregate && (_rows.Count == size || _bytes >= MaxPageBytes))
            {
                _lastKey = [.. Enumerable.Range(row.FieldCount - table.Keys.Count, table.Keys.Count).Select(row.GetString)];
            }

            return true;
        }

        public QueryPage Finish(string itemType)
        {
            var delivered = (token?.Delivered ?? 0) + _rows.Count;
            var isLast = !_hasMore || delivered >= query.Top;
            return new QueryPage(
                query.Items.Count == 0 ? itemType : QueryPage.Raw,
                _rows,
                isLast ? null : new ContinuationToken(delivered, _lastKey).Write(query.Text));
        }
    }

    private static partial class Log
    {
        [LoggerMessage(5400, LogLevel.Debug, "A query was given up after {Seconds} s")]
        public static partial void TooLong(ILogger logger, double seconds);
    }
}
