namespace Nave.Storage.Tests;

/// <summary>Units between many threads that add and the one that takes: none is lost, whatever the moment.</summary>
public sealed class WriteQueueTests
{
    private const int Adders = 4;
    private const int Each = 20_000;

    [Fact]
    public async Task Every_unit_is_taken_once_and_in_the_order_of_its_thread()
    {
        using var queue = new WriteQueue(() => { });
        var taken = new List<NumberUnit>();
        var taker = Task.Run(() =>
        {
            while (queue.Take(out var unit))
            {
                taken.Add((NumberUnit)unit);
            }
        });

        await Task.WhenAll(Enumerable.Range(0, Adders).Select(adder => Task.Run(() =>
        {
            for (var i = 0; i < Each; i++)
            {
                queue.Add(new NumberUnit(adder, i));
                if (i % 100 == 0)
                {
                    Thread.Yield(); // So that the taker runs dry now and then.
                }
            }
        })));
        queue.Close();
        await taker;

        Assert.Equal(Adders * Each, taken.Count);
        Assert.All(taken.GroupBy(unit => unit.Adder), ones => Assert.Equal(Enumerable.Range(0, Each), ones.Select(unit => unit.Number)));
    }

    [Fact]
    public async Task A_taker_that_waits_is_woken_by_each_unit()
    {
        using var queue = new WriteQueue(() => { });
        var taker = Task.Run(() =>
        {
            for (var i = 0; i < 2000; i++)
            {
                Assert.True(queue.Take(out var next));
                Finish(next);
            }
        });

        // One at a time: the queue is empty each time, and the taker asleep or about to be.
        for (var i = 0; i < 2000; i++)
        {
            var unit = new NumberUnit(0, i);
            queue.Add(unit);
            Assert.True(await unit.Done);
        }

        await taker;
    }

    [Fact]
    public async Task What_is_added_around_the_end_is_taken_or_failed()
    {
        for (var round = 0; round < 200; round++)
        {
            var failed = 0;
            using var queue = new WriteQueue(() => Interlocked.Increment(ref failed));
            var units = Enumerable.Range(0, 50).Select(i => new NumberUnit(0, i)).ToArray();
            var adding = Task.Run(() => Array.ForEach(units, queue.Add));
            while (queue.TryTake(out var unit))
            {
                Finish(unit);
            }

            queue.End(new StorageUnavailableException("on purpose"));
            await adding;

            var ends = await Task.WhenAll(units.Select(unit => unit.Done)); // Would wait for ever if one was lost.
            Assert.Equal(ends.OrderDescending(), ends); // Those before the end, then those behind it.
            Assert.Equal(ends.Count(isCommitted => !isCommitted), failed);
        }
    }

    [Fact]
    public void A_closed_queue_gives_out_what_it_has_and_refuses_more()
    {
        var failed = 0;
        using var queue = new WriteQueue(() => failed++);
        var before = new NumberUnit(0, 1);
        var after = new NumberUnit(0, 2);
        queue.Add(before);
        queue.Close();
        queue.Add(after);

        Assert.True(queue.Take(out var first));
        Assert.Same(before, first);
        Assert.False(queue.Take(out _));
        Assert.True(after.Done.IsCompleted);
        Assert.Equal(1, failed); // Its room goes back, or 4,096 refused writes would have none left.
        Assert.False(before.Done.IsCompleted);
    }

    private static void Finish(WriteUnit unit)
    {
        unit.RunIn(null!); // It asks nothing of a session.
        unit.Complete(null);
    }

    /// <summary>Its end: true when it was completed, false when it was failed.</summary>
    private sealed class NumberUnit(int adder, int number) : WriteUnit<bool>
    {
        public int Adder { get; } = adder;

        public int Number { get; } = number;

        public Task<bool> Done => field ??= Completion.AsTask();

        protected internal override bool NeedsSavepoint => false;

        protected override bool Run(SqlSession session) => true;

        protected override bool TryReplace(StorageUnavailableException failure, out bool result)
        {
            result = false;
            return true;
        }
    }
}
