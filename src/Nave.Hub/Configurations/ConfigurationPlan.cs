using System.Text;
using System.Text.Json.Nodes;
using Nave.Hub.Twins;
using Nave.Protocol.Identities;

namespace Nave.Hub.Configurations;

/// <summary>What has to be done about one identity, so that the configurations in whose scope it is are in its twins.</summary>
internal sealed record ConfigurationPlan
{
    public required IdentityId Id { get; init; }

    /// <summary>Who is to have it in scope, and whether with a part in a twin; only what is not written yet.</summary>
    public required IReadOnlyList<KeyValuePair<long, bool>> Targets { get; init; }

    /// <summary>Who had it in scope and has it no more.</summary>
    public required IReadOnlyList<long> Left { get; init; }

    /// <summary>The changes of its twin and of its modules'.</summary>
    public required IReadOnlyList<TwinChange> Changes { get; init; }

    /// <summary>Whether all is as it should be.</summary>
    public bool IsEmpty => Targets.Count == 0 && Left.Count == 0 && Changes.Count == 0;
}

/// <summary>A change of one twin, made for the twin as it was read.</summary>
/// <param name="Twin">Whose.</param>
/// <param name="ETag">Of the twin that it was made for.</param>
/// <param name="Desired">A merge patch, or null.</param>
/// <param name="Summary">The twin's <c>configurations</c>, or null where they stay.</param>
internal sealed record TwinChange(IdentityId Twin, string ETag, JsonObject? Desired, JsonObject? Summary)
{
    /// <summary>The configurations that want something of the twin.</summary>
    public IReadOnlyList<long> Masters { get; init; } = [];

    /// <summary>What is written, about: for the units of the day.</summary>
    public long Bytes => (Desired?.ToJsonString().Length ?? 0) + (Summary?.ToJsonString().Length ?? 0);

    public TwinUpdate ToUpdate() => new(Desired: Change(Desired, replaces: false)) { Configurations = Change(Summary, replaces: true) };

    private static SectionChange? Change(JsonObject? json, bool replaces) =>
        json is null ? null : new SectionChange(Encoding.UTF8.GetBytes(json.ToJsonString()), replaces);
}
