using Microsoft.Extensions.Time.Testing;
using Nave.PskGateway.Upstream;

namespace Nave.PskGateway.Tests.Upstream;

/// <summary>When the hub is tried again.</summary>
public sealed class BackoffTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Spans_double_up_to_the_longest_and_start_anew_after_a_success()
    {
        var backoff = new Backoff(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(5), _time, () => 1);
        var spans = new List<double>();
        for (var i = 0; i < 5; i++)
        {
            backoff.OnFailure();
            spans.Add(backoff.Remaining.TotalSeconds);
            _time.Advance(backoff.Remaining);
        }

        Assert.Equal([1, 2, 4, 5, 5], spans);
        backoff.OnSuccess();
        Assert.Equal(TimeSpan.Zero, backoff.Remaining);
        backoff.OnFailure();
        Assert.Equal(TimeSpan.FromSeconds(1), backoff.Remaining);
    }

    [Fact]
    public void Each_span_is_a_random_part_and_failures_together_count_once()
    {
        var backoff = new Backoff(TimeSpan.FromSeconds(8), TimeSpan.FromSeconds(60), _time, () => 0.25);
        backoff.OnFailure();
        backoff.OnFailure();
        Assert.Equal(TimeSpan.FromSeconds(2), backoff.Remaining);

        _time.Advance(TimeSpan.FromSeconds(1.5));
        Assert.Equal(TimeSpan.FromSeconds(0.5), backoff.Remaining);
        _time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(TimeSpan.Zero, backoff.Remaining);
        backoff.OnFailure();
        Assert.Equal(TimeSpan.FromSeconds(4), backoff.Remaining);
    }
}
