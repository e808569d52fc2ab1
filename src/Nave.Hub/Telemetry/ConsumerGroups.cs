using System.Collections.Frozen;
using Nave.Protocol;

namespace Nave.Hub.Telemetry;

/// <summary>
/// The consumer groups of the built-in endpoint: an immutable set, swapped whole by whoever keeps it durable. Names are
/// compared without case (spec/events-endpoint.md 1).
/// </summary>
internal sealed class ConsumerGroups
{
    /// <summary>The group that always exists.</summary>
    public const string Default = "$Default";

    private FrozenSet<string> _names = Freeze([]);

    /// <summary>All groups, <see cref="Default"/> first.</summary>
    public IReadOnlyList<string> Names => [Default, .. Volatile.Read(ref _names).Where(name => !IsDefault(name)).Order(StringComparer.OrdinalIgnoreCase)];

    /// <summary>Whether readers may use the group.</summary>
    public bool Contains(string name) => Volatile.Read(ref _names).Contains(name);

    /// <summary>Puts another set in place; <see cref="Default"/> is always in it.</summary>
    /// <exception cref="ArgumentException">More groups than <see cref="HubLimits.MaxConsumerGroups"/>.</exception>
    public void Replace(IEnumerable<string> names)
    {
        var next = Freeze(names);
        if (next.Count > HubLimits.MaxConsumerGroups)
        {
            throw new ArgumentException($"At most {HubLimits.MaxConsumerGroups} consumer groups.", nameof(names));
        }

        Volatile.Write(ref _names, next);
    }

    private static FrozenSet<string> Freeze(IEnumerable<string> names) =>
        names.Append(Default).ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    private static bool IsDefault(string name) => string.Equals(name, Default, StringComparison.OrdinalIgnoreCase);
}
