using System.Collections.Frozen;

namespace Nave.Hub.Events;

/// <summary>
/// Which sources somebody wants events of: an immutable set, swapped whole. Until routes exist it is the option
/// <c>Events:Sources</c>. A source that nobody wants costs no row and no body.
/// </summary>
internal sealed class ChangeSources(IEnumerable<ChangeSource> wanted)
{
    private FrozenSet<ChangeSource> _wanted = wanted.ToFrozenSet();

    /// <summary>Nobody wants anything.</summary>
    public static ChangeSources None => new([]);

    /// <summary>Whether events of that source go anywhere.</summary>
    public bool IsWanted(ChangeSource source) => Volatile.Read(ref _wanted).Contains(source);

    /// <summary>Puts another set in place.</summary>
    public void Replace(IEnumerable<ChangeSource> wanted) => Volatile.Write(ref _wanted, wanted.ToFrozenSet());
}
