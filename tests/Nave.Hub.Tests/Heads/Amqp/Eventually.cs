namespace Nave.Hub.Tests.Heads.Amqp;

/// <summary>Waits for what comes to be true by itself and tells nobody.</summary>
internal static class Eventually
{
    /// <summary>Looks every few milliseconds, for a bounded time.</summary>
    public static Task IsAsync(Func<bool> condition) => IsAsync(() => ValueTask.FromResult(condition()));

    /// <summary>The same where the look itself takes a while.</summary>
    public static async Task IsAsync(Func<ValueTask<bool>> condition)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        for (var i = 0; i < 3000 && !await condition(); i++)
        {
            await timer.WaitForNextTickAsync();
        }

        Assert.True(await condition());
    }
}
