namespace Nave.Hub.Queries;

/// <summary>The built-in names of each source and how paths to them may be written (spec/query-language.md A1, A2).</summary>
internal static class QueryFields
{
    /// <summary>What the heartbeat monitor says of a device: no part of its twin, and there for conditions and groups only.</summary>
    public const string Monitor = "monitor";

    private static readonly string[] OfMonitor = ["state", "since"];

    private static readonly string[] OfTwins =
    [
        "deviceId", "moduleId", "etag", "deviceEtag", "version", "status", "statusReason", "statusUpdateTime", "connectionState",
        "lastActivityTime", "cloudToDeviceMessageCount", "authenticationType", "x509Thumbprint", "modelId", "deviceScope", "parentScopes",
        "capabilities", "tags", "properties", "configurations", Monitor,
    ];

    private static readonly string[] OfJobs =
    [
        "deviceId", "moduleId", "jobId", "jobType", "status", "startTimeUtc", "endTimeUtc", "createdDateTimeUtc", "lastUpdatedDateTimeUtc",
        "outcome", "error",
    ];

    private static readonly string[] OnlyOfTwins =
        [.. OfTwins.Except(OfJobs)];

    /// <summary>A path as documents spell it, without the source's name or alias in front.</summary>
    public static QueryPath Resolve(QuerySource source, string? alias, Token token)
    {
        var steps = token.Steps;
        var prefix = PrefixLength(source, alias, steps);
        if (prefix == steps.Count)
        {
            throw new QuerySyntaxException(token.Offset, $"{QuerySyntaxException.Quote(token.Text)} names the source: expected a path in it");
        }

        IReadOnlyList<PathStep> rest = [.. steps.Skip(prefix)];
        if (rest[0].Name is not { } first)
        {
            throw new QuerySyntaxException(token.Offset, "expected a name before the first index");
        }

        Refuse(source, first, token.Offset);
        var known = (source is QuerySource.Jobs ? OfJobs : OfTwins).FirstOrDefault(name => name.Equals(first, StringComparison.OrdinalIgnoreCase));
        if (known == Monitor)
        {
            return OfMonitorState(source, rest, token.Offset);
        }

        return new QueryPath(token.Offset, known is null ? rest : [new PathStep(known), .. rest.Skip(1)]);
    }

    // A wrong name would select nothing, and nobody would know.
    private static QueryPath OfMonitorState(QuerySource source, IReadOnlyList<PathStep> steps, int offset)
    {
        if (source is QuerySource.Modules)
        {
            throw new QuerySyntaxException(offset, "monitor is of devices: modules have no heartbeat of their own");
        }

        var known = OfMonitor.FirstOrDefault(name => steps.Count == 2 && name.Equals(steps[1].Name, StringComparison.OrdinalIgnoreCase))
            ?? throw new QuerySyntaxException(
                offset, "expected monitor.state or monitor.since: what changes with every message is in the heartbeat API (GET heartbeats/devices/{id})");
        return new QueryPath(offset, [new PathStep(Monitor), new PathStep(known)]);
    }

    private static void Refuse(QuerySource source, string first, int offset)
    {
        // spec/query-language.md A2: a typo of 2016's examples; it would silently select nothing.
        if (first.Equals("property", StringComparison.OrdinalIgnoreCase))
        {
            throw new QuerySyntaxException(offset, "expected properties.desired or properties.reported, found 'property'");
        }

        if (source is QuerySource.Jobs && OnlyOfTwins.Contains(first, StringComparer.OrdinalIgnoreCase))
        {
            throw new QuerySyntaxException(offset, $"{QuerySyntaxException.Quote(first)} is of twins: devices.jobs has {string.Join(", ", OfJobs)}");
        }
    }

    private static int PrefixLength(QuerySource source, string? alias, IReadOnlyList<PathStep> steps)
    {
        if (alias is not null && steps[0].Name == alias)
        {
            return 1;
        }

        string[] prefix = source switch
        {
            QuerySource.Modules => ["devices", "modules"],
            QuerySource.Jobs => ["devices", "jobs"],
            _ => ["devices"],
        };
        return steps.Count >= prefix.Length && prefix.Zip(steps).All(pair => pair.First.Equals(pair.Second.Name, StringComparison.OrdinalIgnoreCase))
            ? prefix.Length
            : 0;
    }
}
