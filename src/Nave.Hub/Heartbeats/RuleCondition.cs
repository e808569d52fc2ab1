using System.Diagnostics.CodeAnalysis;
using Nave.Hub.Queries;

namespace Nave.Hub.Heartbeats;

/// <summary>
/// Which devices a group rule is for: a condition of the hub's query language, such as
/// <c>tags.site = 'north' AND properties.reported.power = 'battery'</c>. Looked at when a twin or an identity changes, so it
/// reads nothing that changes without either.
/// </summary>
/// <param name="Text">As it was written.</param>
/// <param name="Query">As it was read.</param>
internal sealed record RuleCondition(string Text, QueryCondition Query)
{
    private static readonly string[] Moving =
        [QueryFields.Monitor, "connectionState", "lastActivityTime", "cloudToDeviceMessageCount", "version", "etag", "configurations"];

    /// <summary>Whether it reads more of a twin than tags: then every change of a twin may change it.</summary>
    public bool ReadsProperties { get; } = QueryPaths.In(Query.Where).Any(path => path.Root is "properties" or "modelId");

    /// <summary>Reads a condition.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out RuleCondition? condition, [NotNullWhen(false)] out string? problem)
    {
        condition = null;
        if (!QueryParser.ParseCondition(text).TryGet(out var query, out var failure))
        {
            problem = failure.Message.TrimEnd('.');
            return false;
        }

        problem = query.Source is not QuerySource.Devices ? "a rule is for devices"
            : query.Where is null ? "'condition' says for which devices the rule is; the rule 'default' is for all others"
            : QueryPaths.In(query.Where).FirstOrDefault(path => Moving.Contains(path.Root)) is { } moving
                ? $"{moving.Root} cannot decide about a rule: it changes without a change of the twin or the identity"
            : null;
        condition = problem is null ? new RuleCondition(text.Trim(), query) : null;
        return condition is not null;
    }
}
