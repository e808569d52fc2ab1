using Nave.Protocol.Identities;

namespace Nave.Hub.Access;

/// <summary>One entry of <see cref="LiveAccessTable"/>: keep it as long as what stands on the grant lives, dispose of it then.</summary>
internal sealed class AccessWatch : IDisposable
{
    private readonly LiveAccessTable _table;

    internal AccessWatch(LiveAccessTable table, ILiveAccess live)
    {
        _table = table;
        Live = live;
        Device = live.Grant.Identity?.Device ?? default;
    }

    internal ILiveAccess Live { get; }

    /// <summary>The default value for back ends.</summary>
    internal DeviceId Device { get; }

    // What follows is the table's, under its lock.
    internal bool IsWatched { get; set; }

    internal long? Second { get; set; }

    internal WatchLinks SecondLinks;
    internal WatchLinks DeviceLinks;

    /// <summary>The grant was replaced by a renewed one: look at its end, and at whether it stands, anew.</summary>
    public void Renewed() => _table.Renewed(this);

    /// <inheritdoc/>
    public void Dispose() => _table.Forget(this);
}

/// <summary>Neighbours in a list whose links lie in the entries: an entry costs no node and leaves in one step.</summary>
internal struct WatchLinks
{
    public AccessWatch? Previous;
    public AccessWatch? Next;
}

/// <summary>Watches in one list per key. Not thread-safe: belongs to the table's lock.</summary>
internal sealed class WatchLists<TKey>(WatchLists<TKey>.LinksOf links)
    where TKey : notnull
{
    private readonly Dictionary<TKey, AccessWatch> _heads = [];

    public delegate ref WatchLinks LinksOf(AccessWatch watch);

    public int Count => _heads.Count;

    public IReadOnlyCollection<TKey> Keys => _heads.Keys;

    public void Add(TKey key, AccessWatch watch)
    {
        ref var own = ref links(watch);
        own = default;
        if (_heads.TryGetValue(key, out var head))
        {
            own.Next = head;
            links(head).Previous = watch;
        }

        _heads[key] = watch;
    }

    public void Remove(TKey key, AccessWatch watch)
    {
        ref var own = ref links(watch);
        if (own.Next is { } next)
        {
            links(next).Previous = own.Previous;
        }

        if (own.Previous is { } previous)
        {
            links(previous).Next = own.Next;
        }
        else if (own.Next is { } head)
        {
            _heads[key] = head;
        }
        else
        {
            _heads.Remove(key);
        }

        own = default;
    }

    public void CopyTo(TKey key, List<AccessWatch> watches)
    {
        for (var watch = _heads.GetValueOrDefault(key); watch is not null; watch = links(watch).Next)
        {
            watches.Add(watch);
        }
    }
}
