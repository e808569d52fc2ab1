using System.Net;
using Nave.Protocol.Identities;
using Nave.Tokens.Secrets;
using Nave.Tokens.Tests.Harness;

namespace Nave.Tokens.Tests.Secrets;

public sealed class PasswordQueueTests
{
    private static IPAddress Address(int number) => new([10, 0, (byte)(number / 250), (byte)(number % 250)]);

    [Fact]
    public void A_full_queue_says_when_to_come_back()
    {
        var queue = new PasswordQueue(cores: 1, TimeProvider.System);

        var entered = Enumerable.Range(0, 100).TakeWhile(number => queue.TryEnter(Address(number), out _)).Count();
        var isIn = queue.TryEnter(Address(200), out var retryAfter);

        Assert.Equal(33, entered);
        Assert.False(isIn);
        Assert.InRange(retryAfter, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(5));
    }

    [Fact]
    public void One_address_has_a_quarter_of_the_queue()
    {
        var queue = new PasswordQueue(cores: 1, TimeProvider.System);

        var entered = Enumerable.Range(0, 100).TakeWhile(number => queue.TryEnter(Address(1), out _)).Count();

        Assert.Equal(8, entered);
        Assert.True(queue.TryEnter(Address(2), out _));
    }

    [Fact]
    public async Task No_more_hashes_run_at_once_than_cores()
    {
        var stopping = TestContext.Current.CancellationToken;
        var queue = new PasswordQueue(cores: 2, TimeProvider.System);
        var (running, most) = (0, 0);
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var both = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

        var work = Enumerable.Range(0, 8).Select(number =>
        {
            Assert.True(queue.TryEnter(Address(number), out _));
            return queue.RunAsync(Address(number), "", "", async (_, _, _) =>
            {
                var now = Interlocked.Increment(ref running);
                InterlockedMax(ref most, now);
                if (now == 2)
                {
                    both.TrySetResult();
                }

                await go.Task;
                Interlocked.Decrement(ref running);
                return true;
            }, stopping);
        }).ToList();
        await both.Task.WaitAsync(TimeSpan.FromSeconds(30), stopping);
        go.SetResult();
        await Task.WhenAll(work).WaitAsync(TimeSpan.FromSeconds(30), stopping);

        Assert.Equal(2, most);
        Assert.Equal(0, queue.Count);
    }

    [Fact]
    public async Task An_unknown_name_runs_the_hash_that_a_known_one_runs()
    {
        await using var desk = await TokenDesk.OpenAsync();
        await desk.AskAsync("warm-up", "x", Address(9));
        var row = desk.Table.Hasher.MakeChosen("known", DeviceId.Parse("dev1"), "correct horse");

        var known = Measure(() => desk.Table.Hasher.IsChosen(row, "known", "dev1", "wrong"));
        var unknown = Measure(() => desk.Table.Hasher.IsChosen(null, "unknown", "", "wrong"));

        // Both allocate the hash's memory; without the hash nothing near it would be. Time itself is no measure on a shared machine.
        Assert.InRange(unknown, known * 9 / 10, known * 11 / 10);
        Assert.True(known > 19_000_000, $"{known} bytes");
    }

    private static long Measure(Action action)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        action();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static void InterlockedMax(ref int most, int value)
    {
        for (var seen = most; value > seen; seen = most)
        {
            if (Interlocked.CompareExchange(ref most, value, seen) == seen)
            {
                return;
            }
        }
    }
}
