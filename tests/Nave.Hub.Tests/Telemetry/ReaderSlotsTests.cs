using Nave.EventLog;
using Nave.Hub.Telemetry;
using Nave.Tests;

namespace Nave.Hub.Tests.Telemetry;

public sealed class ReaderSlotsTests
{
    private static readonly LogPartition Partition = new(1, 0);

    private readonly ReaderSlots _slots = new();

    [Fact]
    [Conformance("events-endpoint", 10)]
    public void Five_readers_share_and_a_sixth_is_refused_until_one_leaves()
    {
        var five = Enumerable.Range(0, 5).Select(i => Slot($"r{i}", null)).ToArray();
        Assert.All(five, reader => Assert.Equal(SlotRefusal.None, Enter(reader).Refusal));

        var sixth = Slot("sixth", null);
        Assert.Equal(SlotRefusal.TooManyReaders, Enter(sixth).Refusal);

        _slots.Leave(Partition, "$Default", five[0]);
        Assert.Equal(SlotRefusal.None, Enter(sixth).Refusal);
    }

    [Theory]
    [Conformance("events-endpoint", 11, 12)]
    [InlineData(1L, 5L, nameof(SlotRefusal.None))]
    [InlineData(5L, 5L, nameof(SlotRefusal.None))]
    [InlineData(0L, 0L, nameof(SlotRefusal.None))]
    [InlineData(5L, 1L, nameof(SlotRefusal.LowerOwnerLevel))]
    [InlineData(5L, null, nameof(SlotRefusal.OwnedPartition))]
    [InlineData(null, 0L, nameof(SlotRefusal.None))]
    public void Owner_levels_decide_between_two_readers(long? open, long? arriving, string expected)
    {
        var first = Slot("first", open);
        Enter(first);

        var outcome = _slots.TryEnter(Partition, "$Default", Slot("second", arriving), out var displaced);

        Assert.Equal(expected, outcome.Refusal.ToString());
        Assert.Equal(expected is nameof(SlotRefusal.None) ? [first] : [], displaced);
        Assert.Equal(1, _slots.Count);
    }

    [Fact]
    public void An_owner_displaces_all_who_share()
    {
        for (var i = 0; i < 5; i++)
        {
            Enter(Slot($"r{i}", null));
        }

        _slots.TryEnter(Partition, "$default", Slot("owner", 0), out var displaced);

        Assert.Equal(5, displaced.Count);
        Assert.Equal(1, _slots.Count);
    }

    [Fact]
    public void Groups_and_partitions_do_not_meet()
    {
        Enter(Slot("owner", 7));

        Assert.Equal(SlotRefusal.None, _slots.TryEnter(Partition, "second", Slot("a", null), out _).Refusal);
        Assert.Equal(SlotRefusal.None, _slots.TryEnter(new LogPartition(1, 1), "$Default", Slot("b", null), out _).Refusal);
    }

    private SlotOutcome Enter(ReaderSlot slot) => _slots.TryEnter(Partition, "$Default", slot, out _);

    private static ReaderSlot Slot(string name, long? level) => new(name, level, _ => { });
}
