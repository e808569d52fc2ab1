using Nave.Hub.Queries;
using Nave.Protocol.Identities;

namespace Nave.Hub.Configurations;

/// <summary>
/// One entry of automatic device management (spec/service-rest.md 10). An immutable snapshot. A deleted one stays until
/// what it set has been taken back.
/// </summary>
internal sealed record Configuration
{
    /// <summary>Its own for ever: one that is made again under the same id has another, and so is the more recent one.</summary>
    public required long Number { get; init; }

    public required string Id { get; init; }

    public required string SchemaVersion { get; init; }

    /// <summary>JSON.</summary>
    public required string Labels { get; init; }

    public required ConfigurationContent Content { get; init; }

    public required string TargetCondition { get; init; }

    /// <summary>The condition, parsed; null where there is none, which targets nobody.</summary>
    public QueryCondition? Condition { get; init; }

    public required int Priority { get; init; }

    /// <summary>Custom metrics: their statements by name.</summary>
    public required IReadOnlyDictionary<string, string> Metrics { get; init; }

    public required DateTimeOffset CreatedTime { get; init; }

    public required DateTimeOffset UpdatedTime { get; init; }

    public required string ETag { get; init; }

    public bool IsDeleted { get; init; }

    /// <summary>Whether it is for such identities at all.</summary>
    public bool IsFor(IdentityId id) => !IsDeleted && Condition?.Source == (id.IsModule ? QuerySource.Modules : QuerySource.Devices);
}
