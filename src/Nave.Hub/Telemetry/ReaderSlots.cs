using Nave.EventLog;
using Nave.Protocol;

namespace Nave.Hub.Telemetry;

/// <summary>
/// Who may read a (consumer group, partition) now: the owner-level and five-reader rules of spec/events-endpoint.md 3.2.
/// The state of one pair changes in one step under its lock, so two readers that arrive together cannot both win.
/// Whoever is displaced is told outside the lock.
/// </summary>
internal sealed class ReaderSlots
{
    // Groups and partitions are few and bounded by settings: pairs are never removed.
    private readonly Dictionary<SlotKey, List<ReaderSlot>> _open = [];
    private readonly Lock _lock = new();

    /// <summary>Readers open now.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _open.Values.Sum(slots => slots.Count);
            }
        }
    }

    /// <summary>
    /// Gives the reader its place, or says why not. The readers that it displaces are removed in the same step and
    /// handed back for the caller to tell.
    /// </summary>
    public SlotOutcome TryEnter(LogPartition partition, string group, ReaderSlot arriving, out IReadOnlyList<ReaderSlot> displaced)
    {
        displaced = [];
        lock (_lock)
        {
            var key = SlotKey.Of(partition, group);
            if (!_open.TryGetValue(key, out var open))
            {
                _open.Add(key, open = []);
            }

            var highest = open.MaxBy(slot => slot.OwnerLevel ?? long.MinValue) is { OwnerLevel: not null } owner ? owner : null;
            if (arriving.OwnerLevel is { } level)
            {
                if (highest is not null && level < highest.OwnerLevel)
                {
                    return new SlotOutcome(SlotRefusal.LowerOwnerLevel, highest);
                }

                displaced = [.. open];
                open.Clear();
            }
            else if (highest is not null)
            {
                return new SlotOutcome(SlotRefusal.OwnedPartition, highest);
            }
            else if (open.Count >= HubLimits.MaxReadersPerPartition)
            {
                return new SlotOutcome(SlotRefusal.TooManyReaders, null);
            }

            open.Add(arriving);
            return default;
        }
    }

    /// <summary>Gives the place back. A reader that was displaced has none any more; leaving twice does no harm.</summary>
    public void Leave(LogPartition partition, string group, ReaderSlot leaving)
    {
        lock (_lock)
        {
            if (_open.TryGetValue(SlotKey.Of(partition, group), out var open))
            {
                open.Remove(leaving);
            }
        }
    }

    private readonly record struct SlotKey(LogPartition Partition, string Group)
    {
        public static SlotKey Of(LogPartition partition, string group) => new(partition, group.ToUpperInvariant());
    }
}

/// <summary>One reader's claim to a partition. Compared by reference.</summary>
/// <param name="name">What texts call it.</param>
/// <param name="ownerLevel">Its owner level (epoch), or null for a reader that shares.</param>
/// <param name="onDisplaced">Told when a reader with the same or a higher level has taken the partition. Must return at once.</param>
internal sealed class ReaderSlot(string name, long? ownerLevel, Action<ReaderSlot> onDisplaced)
{
    public string Name { get; } = name;

    public long? OwnerLevel { get; } = ownerLevel;

    public void Displace(ReaderSlot by) => onDisplaced(by);
}

/// <summary>What became of a claim.</summary>
/// <param name="Refusal">Why it was refused, or none.</param>
/// <param name="Owner">The reader whose level stood in the way.</param>
internal readonly record struct SlotOutcome(SlotRefusal Refusal, ReaderSlot? Owner);

/// <summary>Reasons to refuse a reader.</summary>
internal enum SlotRefusal
{
    None,

    /// <summary>A reader with a higher level is open.</summary>
    LowerOwnerLevel,

    /// <summary>A reader without level cannot share with an owner.</summary>
    OwnedPartition,

    /// <summary>The sixth reader without level.</summary>
    TooManyReaders,
}
