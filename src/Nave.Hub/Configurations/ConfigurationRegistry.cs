using System.Text.Json.Nodes;
using Nave.Hub.Devices;
using Nave.Protocol;
using Nave.Protocol.Errors;
using Nave.Storage;

namespace Nave.Hub.Configurations;

/// <summary>Makes, changes and deletes configurations: SQL first, then memory, which wakes the evaluator.</summary>
internal sealed class ConfigurationRegistry(HubDatabase database, ConfigurationSet set, ConfigurationMetrics metrics, TimeProvider time)
{
    /// <summary>The living ones in the order of their ids.</summary>
    public async Task<IReadOnlyList<Configuration>> ListAsync(int top, CancellationToken stopping)
    {
        var all = await database.ReadAsync(ConfigurationStore.List, stopping);
        return [.. all.Where(c => !c.IsDeleted).OrderBy(c => c.Id, StringComparer.Ordinal).Take(top)];
    }

    /// <summary>The living one of that id.</summary>
    public async Task<Outcome<Configuration>> FindAsync(string id, CancellationToken stopping) =>
        await database.ReadAsync(session => ConfigurationStore.Find(session, id), stopping) is { } found ? found : HubFailures.ConfigurationNotFound;

    /// <summary>Makes one; 409 when the id is taken.</summary>
    public Task<Outcome<Configuration>> CreateAsync(ConfigurationDraft draft, CancellationToken stopping) => WriteAsync(
        session => ConfigurationStore.Find(session, draft.Id) is not null ? HubFailures.ConfigurationAlreadyExists
            : ConfigurationStore.Count(session) >= HubLimits.MaxConfigurations
                ? HubFailures.QuotaExceeded.Saying($"A hub has at most {HubLimits.MaxConfigurations} configurations.")
            : CheckScope(draft, draft.Content) is { } misfit ? misfit
            : ConfigurationStore.Insert(session, New(draft)),
        stopping);

    /// <summary>Changes labels, condition, priority and metrics of one that meets the condition; its content never changes.</summary>
    public Task<Outcome<Configuration>> UpdateAsync(ConfigurationDraft draft, ETagCondition condition, CancellationToken stopping) => WriteAsync(
        session => ConfigurationStore.Find(session, draft.Id) is not { } stored ? HubFailures.ConfigurationNotFound
            : (condition.Check(stored.ETag) ?? CheckContent(stored, draft) ?? CheckScope(draft, stored.Content)) is { } refusal ? refusal
            : Change(session, stored, draft),
        stopping);

    /// <summary>Deletes one that meets the condition; what it set goes from the twins behind it.</summary>
    public Task<Outcome<Configuration>> DeleteAsync(string id, ETagCondition condition, CancellationToken stopping) => WriteAsync(
        session =>
        {
            if (ConfigurationStore.Find(session, id) is not { } stored)
            {
                return HubFailures.ConfigurationNotFound;
            }

            if (condition.Check(stored.ETag) is { } mismatch)
            {
                return mismatch;
            }

            metrics.Forget(stored);
            return ConfigurationStore.TryDelete(session, stored) ? stored : HubFailures.PreconditionFailed;
        },
        stopping);

    private async Task<Outcome<Configuration>> WriteAsync(Func<SqlSession, Outcome<Configuration>> unit, CancellationToken stopping)
    {
        try
        {
            var outcome = await database.WriteAsync(unit, stopping);
            if (outcome.Failure is null)
            {
                await set.LoadAsync(stopping);
            }

            return outcome;
        }
        catch (StorageUnavailableException)
        {
            return HubFailures.Unavailable;
        }
    }

    private Configuration New(ConfigurationDraft draft) => new()
    {
        Number = 0, // The insert gives it one.
        Id = draft.Id,
        SchemaVersion = draft.SchemaVersion,
        Labels = draft.Labels,
        Content = draft.Content ?? new ConfigurationContent { Json = "{}" },
        TargetCondition = draft.TargetCondition,
        Condition = draft.Condition,
        Priority = draft.Priority,
        Metrics = draft.Metrics,
        CreatedTime = time.GetUtcNow(),
        UpdatedTime = time.GetUtcNow(),
        ETag = IdentityMarks.NewETag(),
    };

    private Outcome<Configuration> Change(SqlSession session, Configuration stored, ConfigurationDraft draft)
    {
        var changed = stored with
        {
            Labels = draft.Labels,
            TargetCondition = draft.TargetCondition,
            Condition = draft.Condition,
            Priority = draft.Priority,
            Metrics = draft.Metrics,
            UpdatedTime = time.GetUtcNow(),
            ETag = IdentityMarks.NewETag(),
        };
        return ConfigurationStore.TryUpdate(session, stored, changed) ? changed : HubFailures.PreconditionFailed;
    }

    // spec/service-rest.md 3.3: 400403. Clients send back what they got.
    private static HubFailure? CheckContent(Configuration stored, ConfigurationDraft draft) =>
        draft.Content is { } content && !JsonNode.DeepEquals(JsonNode.Parse(content.Json), JsonNode.Parse(stored.Content.Json))
            ? HubFailures.CannotModifyConfigurationContent
            : null;

    private static HubFailure? CheckScope(ConfigurationDraft draft, ConfigurationContent? content) =>
        content is null or { IsEmpty: true } || content.IsForModules == draft.Condition.Source is Queries.QuerySource.Modules
            ? null
            : HubFailures.InvalidConfigurationTargetCondition.Saying(
                "moduleContent needs a condition that begins with FROM devices.modules, other content one over devices.");
}
