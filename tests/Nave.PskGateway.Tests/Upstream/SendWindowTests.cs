using Nave.PskGateway.Upstream;

namespace Nave.PskGateway.Tests.Upstream;

/// <summary>Room for so many bytes, first come, first served.</summary>
public sealed class SendWindowTests
{
    private readonly SendWindow _window = new(100);

    [Fact]
    public async Task Who_comes_later_waits_though_he_would_fit()
    {
        Assert.True(_window.TryEnter(90));
        var large = _window.EnterAsync(50, default).AsTask();
        var small = _window.EnterAsync(5, default).AsTask();
        Assert.False(_window.TryEnter(1));
        Assert.False(large.IsCompleted || small.IsCompleted);

        _window.Leave(90);

        await Task.WhenAll(large, small).WaitAsync(RecordedEvents.Patience);
        Assert.Equal(55, _window.Bytes);
    }

    [Fact]
    public async Task Who_gives_up_makes_way_for_the_next()
    {
        Assert.True(_window.TryEnter(90));
        using var impatient = new CancellationTokenSource();
        var large = _window.EnterAsync(50, impatient.Token).AsTask();
        var small = _window.EnterAsync(5, default).AsTask();

        await impatient.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => large);
        await small.WaitAsync(RecordedEvents.Patience);
        Assert.Equal(95, _window.Bytes);
    }

    [Fact]
    public async Task What_is_larger_than_the_window_gets_all_of_it()
    {
        Assert.True(_window.TryEnter(1));
        var huge = _window.EnterAsync(1000, default).AsTask();
        Assert.False(huge.IsCompleted);

        _window.Leave(1);
        await huge.WaitAsync(RecordedEvents.Patience);
        Assert.False(_window.TryEnter(1));
        _window.Leave(1000);

        Assert.Equal(0, _window.Bytes);
    }
}
