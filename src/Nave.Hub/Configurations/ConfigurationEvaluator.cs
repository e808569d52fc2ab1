using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Nave.Hub.Devices;
using Nave.Hub.Queries;
using Nave.Hub.Quotas;
using Nave.Hub.Twins;
using Nave.Protocol.Errors;
using Nave.Protocol.Identities;
using Nave.Storage;

namespace Nave.Hub.Configurations;

/// <summary>
/// Brings configurations to twins in the background. Looks at one identity when it or its twin changes, at all of a
/// configuration when that changes, at everything after the start, and every few minutes for whom it has missed. All it
/// does may be done twice: a stop or a crash in the middle leaves what the next look finds and finishes.
/// </summary>
internal sealed partial class ConfigurationEvaluator : BackgroundService
{
    /// <summary>How often metrics are counted, and targets looked for that no change has brought.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromMinutes(5);

    // Identities to look at that are remembered by name; beyond it, all are looked at.
    private const int MaxMarked = 10_000;

    private const int PageSize = 500;

    // Twins that are changed at once: the group commit takes them together.
    private const int Parallelism = 32;

    // A twin that changes as fast as it is read is left to the look that its last change has asked for.
    private const int Attempts = 3;

    private readonly HubDatabase _database;
    private readonly ConfigurationSet _set;
    private readonly ConfigurationPlanner _planner;
    private readonly QueryRunner _queries;
    private readonly ConfigurationMetrics _metrics;
    private readonly IDeviceDirectory _directory;
    private readonly HubMeter _meter;
    private readonly TimeProvider _time;
    private readonly ILogger<ConfigurationEvaluator> _logger;
    private readonly AsyncSignal _wakes = new();
    private readonly Lock _lock = new();
    private HashSet<IdentityId> _marked = [];
    private bool _looksAtAll = true;
    private bool _looksForNew = true;

    public ConfigurationEvaluator(
        HubDatabase database,
        ConfigurationSet set,
        ConfigurationPlanner planner,
        QueryRunner queries,
        ConfigurationMetrics metrics,
        IDeviceDirectory directory,
        DeviceRegistry registry,
        TwinWriter twins,
        HubMeter meter,
        TimeProvider time,
        ILogger<ConfigurationEvaluator> logger)
    {
        _database = database;
        _set = set;
        _planner = planner;
        _queries = queries;
        _metrics = metrics;
        _directory = directory;
        _meter = meter;
        _time = time;
        _logger = logger;
        registry.Changed += (_, after) => Mark(after?.Id);
        twins.Changing += id => Mark(id);
        set.Changed += () => _wakes.Set();
    }

    /// <summary>Does what there is to do now.</summary>
    /// <returns>Whether all of it could be done.</returns>
    public async Task<bool> StepAsync(CancellationToken stopping)
    {
        var work = TakeWork();
        try
        {
            // What marked an identity may still be on its way to the disk: a unit of ours comes behind it.
            var changed = await _database.WriteAsync(ConfigurationStore.ListChanged, stopping);
            if (_set.IsEmpty)
            {
                return true;
            }

            await LookAtAsync(work.Marked, stopping);
            if (work.All)
            {
                await LookAtTargetsAsync(null, stopping);
            }

            foreach (var configuration in _set.All)
            {
                if (!await StepAsync(configuration, changed.Contains(configuration.Number), work, stopping))
                {
                    Remember(work);
                    return false;
                }
            }

            if (_set.All.Any(configuration => configuration.IsDeleted))
            {
                await _set.LoadAsync(stopping);
            }

            return true;
        }
        catch (StorageUnavailableException)
        {
            Remember(work);
            return false;
        }
    }

    /// <summary>Metrics are to be counted, and targets looked for that were missed.</summary>
    public void LookForNew()
    {
        lock (_lock)
        {
            _looksForNew = true;
        }

        _wakes.Set();
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = _time.CreateTimer(_ => LookForNew(), null, Interval, Interval);
        try
        {
            await _set.LoadAsync(stoppingToken);
            while (true)
            {
                await _wakes.WaitAsync(stoppingToken);
                try
                {
                    while (!await StepAsync(stoppingToken))
                    {
                        Log.Waiting(_logger);
                        await Task.Delay(TimeSpan.FromSeconds(5), _time, stoppingToken);
                    }
                }
                catch (Exception e) when (e is not OperationCanceledException)
                {
                    Log.StepFailed(_logger, e);
                    Remember(new Work([], All: true, ForNew: true)); // With the next wake: nothing is lost, only late.
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The next start looks at everything.
        }
    }

    private void Mark(IdentityId? id)
    {
        if (_set.IsEmpty || id is not { } changed)
        {
            return;
        }

        lock (_lock)
        {
            if (_marked.Count < MaxMarked)
            {
                _marked.Add(changed);
            }
            else
            {
                _looksAtAll = true;
            }
        }

        _wakes.Set();
    }

    private Work TakeWork()
    {
        lock (_lock)
        {
            var work = new Work(_marked, _looksAtAll, _looksForNew || _looksAtAll);
            _marked = [];
            _looksAtAll = _looksForNew = false;
            return work;
        }
    }

    private void Remember(Work work)
    {
        lock (_lock)
        {
            _marked.UnionWith(work.Marked);
            _looksAtAll |= work.All;
            _looksForNew |= work.ForNew;
        }
    }

    private async Task<bool> StepAsync(Configuration configuration, bool isChanged, Work work, CancellationToken stopping)
    {
        // 1. Whom it has in scope already: some may have to leave, some be set right.
        if (isChanged && !work.All)
        {
            await LookAtTargetsAsync(configuration.Number, stopping);
        }

        // 2. Whom it is to have.
        if ((isChanged || work.ForNew) && configuration is { IsDeleted: false, Condition: { } condition }
            && !await LookAtNewAsync(configuration, condition, stopping))
        {
            return false;
        }

        if (isChanged)
        {
            await _database.WriteAsync(session => ConfigurationStore.Done(session, configuration), stopping);
        }

        if (work.ForNew && !configuration.IsDeleted)
        {
            await _metrics.CountAsync(configuration, stopping);
        }

        return true;
    }

    private async Task LookAtTargetsAsync(long? number, CancellationToken stopping)
    {
        IdentityId? last = null;
        List<IdentityId> page;
        do
        {
            var after = last;
            page = await _database.ReadAsync(session => ConfigurationStore.ListTargets(session, number, after, PageSize), stopping);
            await LookAtAsync(page, stopping);
            last = page.Count > 0 ? page[^1] : null;
        }
        while (page.Count == PageSize);
    }

    private async Task<bool> LookAtNewAsync(Configuration configuration, QueryCondition condition, CancellationToken stopping)
    {
        IdentityId? last = null;
        IdentityPage? matching;
        do
        {
            if (!(await _queries.ListAsync(condition, last, PageSize, stopping)).TryGet(out matching, out var failure))
            {
                Log.NotListed(_logger, configuration.Id, failure.Message);
                return false;
            }

            var known = await ListKnownAsync(configuration.Number, last, matching, stopping);
            await LookAtAsync([.. matching.Ids.Where(id => !known.Contains(id))], stopping);
            last = matching.Ids.Count > 0 ? matching.Ids[^1] : null;
        }
        while (matching.HasMore);
        return true;
    }

    // Those of a page that are in scope: changes of theirs have brought them here.
    private async Task<HashSet<IdentityId>> ListKnownAsync(long number, IdentityId? after, IdentityPage page, CancellationToken stopping) =>
        page.Ids.Count == 0
            ? []
            : [.. await _database.ReadAsync(session => ConfigurationStore.ListTargetsUpTo(session, number, after, page.Ids[^1]), stopping)];

    private Task LookAtAsync(IReadOnlyCollection<IdentityId> ids, CancellationToken stopping) => Parallel.ForEachAsync(
        ids,
        new ParallelOptions { MaxDegreeOfParallelism = Parallelism, CancellationToken = stopping },
        async (id, token) => await LookAtAsync(id, token));

    private async Task LookAtAsync(IdentityId id, CancellationToken stopping)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var all = _set.All;
            var plan = await _database.ReadAsync(session => _planner.Make(session, all, id), stopping);
            if (plan.IsEmpty || await CarryOutAsync(plan, stopping))
            {
                return;
            }
        }
    }

    // Scope first, then the twin, then who has left: wherever this stops, what was set is known to have been.
    private async Task<bool> CarryOutAsync(ConfigurationPlan plan, CancellationToken stopping)
    {
        if (plan.Targets.Count > 0)
        {
            await _database.WriteAsync(session => ConfigurationStore.PutTargets(session, plan.Id, plan.Targets), stopping);
        }

        foreach (var change in plan.Changes)
        {
            var outcome = await _directory.Of(change.Twin).ChangeTwinAsync(change.ToUpdate(), ETagCondition.Exactly(change.ETag));
            switch (outcome.Failure?.Code)
            {
                case null:
                    _meter.Charge(Metered.ConfigurationOperations, change.Bytes);
                    break;
                case HubErrorCode.PreconditionFailed:
                    return false; // Somebody else was faster: look again.
                case HubErrorCode.ServiceUnavailable:
                    throw new StorageUnavailableException(outcome.Failure.Message);
                default:
                    Log.NotApplied(_logger, change.Twin.ToString(), outcome.Failure.Message);
                    await _database.WriteAsync(
                        session => ConfigurationStore.PutTargets(session, plan.Id, change.Masters.Select(number => KeyValuePair.Create(number, false))), stopping);
                    break;
            }
        }

        if (plan.Left.Count > 0)
        {
            await _database.WriteAsync(session => ConfigurationStore.DeleteTargets(session, plan.Id, plan.Left), stopping);
        }

        return true;
    }

    /// <summary>What there is to do, besides configurations that have changed.</summary>
    /// <param name="Marked">Identities to look at.</param>
    /// <param name="All">Everybody in scope of anything is to be looked at.</param>
    /// <param name="ForNew">Each configuration may have missed some.</param>
    private sealed record Work(IReadOnlyCollection<IdentityId> Marked, bool All, bool ForNew);

    private static partial class Log
    {
        [LoggerMessage(5601, LogLevel.Warning, "Configurations wait: the database cannot be written, or a condition takes too long")]
        public static partial void Waiting(ILogger logger);

        [LoggerMessage(5602, LogLevel.Error, "Configurations could not be brought to twins and will be tried again")]
        public static partial void StepFailed(ILogger logger, Exception e);

        [LoggerMessage(5603, LogLevel.Warning, "The targets of the configuration {Configuration} could not be listed: {Reason}")]
        public static partial void NotListed(ILogger logger, string configuration, string reason);

        [LoggerMessage(5604, LogLevel.Debug, "{DeviceId}: the twin does not take what configurations set: {Reason}")]
        public static partial void NotApplied(ILogger logger, string deviceId, string reason);
    }
}
