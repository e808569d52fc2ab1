using System.Collections.Concurrent;
using Nave.Hub.Queries;
using Nave.Protocol.Errors;
using Nave.Storage;

namespace Nave.Hub.Configurations;

/// <summary>
/// Counts what configurations ask to be counted. Custom metrics are queries over all twins: they run when one
/// configuration is read and every few minutes, and a list shows what they said last.
/// </summary>
internal sealed class ConfigurationMetrics(HubDatabase database, QueryRunner queries)
{
    private readonly ConcurrentDictionary<long, IReadOnlyDictionary<string, long>> _last = new();

    /// <summary>Runs the custom metrics of a configuration. One that cannot be counted now is absent.</summary>
    public async Task<IReadOnlyDictionary<string, long>> CountAsync(Configuration configuration, CancellationToken stopping)
    {
        var results = new Dictionary<string, long>();
        foreach (var (name, text) in configuration.Metrics)
        {
            if ((await CountAsync(text, stopping)).TryGet(out var count, out _))
            {
                results[name] = count.Value;
            }
        }

        return _last[configuration.Number] = results;
    }

    /// <summary>What the custom metrics said when they were counted last.</summary>
    public IReadOnlyDictionary<string, long> Last(Configuration configuration) =>
        _last.GetValueOrDefault(configuration.Number) ?? new Dictionary<string, long>();

    /// <summary>How many identities each has in scope, and in how many twins it has a part.</summary>
    public Task<List<(long Targeted, long Applied)>> CountTargetsAsync(IReadOnlyList<Configuration> configurations, CancellationToken stopping) =>
        database.ReadAsync(session => configurations.Select(c => ConfigurationStore.CountOf(session, c.Number)).ToList(), stopping);

    /// <summary>The configuration is gone.</summary>
    public void Forget(Configuration configuration) => _last.TryRemove(configuration.Number, out _);

    private async Task<Outcome<Counted>> CountAsync(string text, CancellationToken stopping)
    {
        if (!QueryParser.Parse(text).TryGet(out var query, out var failure))
        {
            return failure;
        }

        if (query.IsAggregate)
        {
            return (await queries.RunAsync(text, continuation: null, QueryRunner.MaxPageSize, stopping)).TryGet(out var page, out failure)
                ? new Counted(page.Rows.Count)
                : failure;
        }

        var (count, refused) = await queries.CountAsync(new QueryCondition(query.Source, query.Where), stopping);
        return refused is not null ? refused : new Counted(Math.Min(count, query.Top ?? long.MaxValue));
    }

    private sealed record Counted(long Value);
}
