using Nave.Hub.Heads.Mqtt;

namespace Nave.Hub.Tests.Heads.Mqtt;

public sealed class AckWorkersTests
{
    [Fact]
    public async Task Every_item_is_executed_once_whoever_queues_it_and_when()
    {
        const int Threads = 4;
        const int Each = 5000;
        using var done = new CountdownEvent(Threads * Each);
        var items = Enumerable.Range(0, Threads * Each).Select(_ => new Item(done)).ToArray();

        await Task.WhenAll(Enumerable.Range(0, Threads).Select(thread => Task.Run(() =>
        {
            for (var i = 0; i < Each; i++)
            {
                AckWorkers.Queue(items[(thread * Each) + i]);
            }
        })));

        Assert.True(done.Wait(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken));
        Assert.All(items, item => Assert.Equal(1, item.Executions));
    }

    private sealed class Item(CountdownEvent done) : IThreadPoolWorkItem
    {
        private int _executions;

        public int Executions => Volatile.Read(ref _executions);

        public void Execute()
        {
            Interlocked.Increment(ref _executions);
            done.Signal();
        }
    }
}
