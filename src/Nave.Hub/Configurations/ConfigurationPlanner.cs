using System.Text.Json.Nodes;
using Nave.Hub.Queries;
using Nave.Hub.Twins;
using Nave.Protocol.Identities;
using Nave.Storage;

namespace Nave.Hub.Configurations;

/// <summary>
/// Compares an identity's twins with what the configurations want of them (spec/service-rest.md 10): the strongest wins at
/// each path, of equals the one created last; who leaves a scope loses what was set. Reads only.
/// </summary>
internal sealed class ConfigurationPlanner(QueryRunner queries)
{
    /// <summary>What is to be done about an identity.</summary>
    /// <param name="session">For reading.</param>
    /// <param name="all">All configurations from the weakest to the strongest, the deleted ones too.</param>
    /// <param name="id">Whom.</param>
    public ConfigurationPlan Make(SqlSession session, IReadOnlyList<Configuration> all, IdentityId id)
    {
        // 1. Who had it in scope, and who is to have it.
        var before = ConfigurationStore.ListOf(session, id);
        var matching = all.Where(c => c.IsFor(id) && queries.Matches(session, c.Condition!, id)).ToList();
        var past = all.Where(c => before.ContainsKey(c.Number)).ToList();

        // 2. Its twin, and those of the modules that these name.
        var changes = new List<TwinChange>();
        var applied = matching.Where(c => c.Content.IsEmpty).Select(c => c.Number).ToHashSet();
        foreach (var twin in TwinsOf(id, [.. matching, .. past]))
        {
            if (TwinWriter.FindRow(session, twin) is { } row)
            {
                var contributions = Contributions(session, all, matching, id, twin);
                applied.UnionWith(InForce(contributions).Where(number => matching.Any(c => c.Number == number)));
                var desired = Difference(row, contributions, past.SelectMany(c => c.Content.For(id, twin)));
                changes.Add(new TwinChange(twin, row.ETag, desired, Summary: null)
                {
                    Masters = [.. matching.Where(c => c.Content.For(id, twin).Count > 0).Select(c => c.Number)],
                });
            }
        }

        // 3. What is not so yet.
        var after = matching.ToDictionary(c => c.Number, c => applied.Contains(c.Number));
        return new ConfigurationPlan
        {
            Id = id,
            Targets = [.. after.Where(target => !before.TryGetValue(target.Key, out var was) || was != target.Value)],
            Left = [.. before.Keys.Where(number => !after.ContainsKey(number))],
            Changes = [.. changes.Select(change => change.Twin == id ? change with { Summary = Summary(session, id, matching, applied) } : change)
                .Where(change => change.Desired is not null || change.Summary is not null)],
        };
    }

    private static IEnumerable<IdentityId> TwinsOf(IdentityId id, IEnumerable<Configuration> configurations) => id.IsModule
        ? [id]
        : configurations.SelectMany(c => c.Content.Modules.Keys).Distinct().Select(module => new IdentityId(id.Device, module)).Prepend(id);

    // A module's twin has two sorts of masters: those that target it, and those that target its device and name it.
    private static List<(long Number, TwinSetting Setting)> Contributions(
        SqlSession session, IReadOnlyList<Configuration> all, List<Configuration> matching, IdentityId id, IdentityId twin)
    {
        var masters = matching.SelectMany(c => c.Content.For(id, twin).Select(setting => (c, setting)));
        if (twin.IsModule)
        {
            var other = id.IsModule ? new IdentityId(id.Device) : twin;
            var others = ConfigurationStore.ListOf(session, other);
            masters = masters.Concat(all
                .Where(c => !c.IsDeleted && others.ContainsKey(c.Number))
                .SelectMany(c => c.Content.For(other, twin).Select(setting => (c, setting))));
        }

        return [.. masters.OrderBy(master => master.c.Priority).ThenBy(master => master.c.Number).Select(master => (master.c.Number, master.setting))];
    }

    // A setting is in force unless a stronger one sets the same place, or one around it.
    private static IEnumerable<long> InForce(List<(long Number, TwinSetting Setting)> contributions) => contributions
        .Where((weak, i) => !contributions.Skip(i + 1).Any(strong => strong.Number != weak.Number && strong.Setting.Covers(weak.Setting)))
        .Select(contribution => contribution.Number)
        .Distinct();

    private static JsonObject? Difference(TwinRow row, List<(long Number, TwinSetting Setting)> contributions, IEnumerable<TwinSetting> past)
    {
        var settings = new DesiredSettings();
        foreach (var (_, setting) in contributions)
        {
            settings.Set(setting);
        }

        foreach (var setting in past)
        {
            settings.GiveUp(setting);
        }

        return settings.Patch(JsonNode.Parse(row.Desired)!.AsObject());
    }

    // Null where the twin shows it already.
    private static JsonObject? Summary(SqlSession session, IdentityId id, List<Configuration> matching, HashSet<long> applied)
    {
        var summary = new JsonObject();
        foreach (var configuration in matching)
        {
            summary[configuration.Id] = new JsonObject { ["status"] = applied.Contains(configuration.Number) ? "Applied" : "Targeted" };
        }

        var shown = TwinWriter.FindRow(session, id)?.Configurations is { } json ? JsonNode.Parse(json) : new JsonObject();
        return JsonNode.DeepEquals(shown, summary) ? null : summary;
    }
}
