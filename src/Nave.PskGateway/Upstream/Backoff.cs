namespace Nave.PskGateway.Upstream;

/// <summary>
/// When to try the hub again: after each failure in a row twice as late, up to a bound, each time at a random moment of
/// the span so that gateways do not return together. Any thread.
/// </summary>
/// <param name="first">The span after the first failure.</param>
/// <param name="longest">The longest.</param>
/// <param name="time">The clock.</param>
/// <param name="chance">A number from 0 to 1.</param>
internal sealed class Backoff(TimeSpan first, TimeSpan longest, TimeProvider time, Func<double> chance)
{
    private readonly Lock _lock = new();
    private int _failures;
    private long _failedAt;
    private TimeSpan _span;

    /// <summary>How long to wait from now.</summary>
    public TimeSpan Remaining
    {
        get
        {
            lock (_lock)
            {
                var left = _span - (_failures == 0 ? _span : time.GetElapsedTime(_failedAt));
                return left > TimeSpan.Zero ? left : TimeSpan.Zero;
            }
        }
    }

    /// <summary>It failed, or what was open has been lost.</summary>
    public void OnFailure()
    {
        lock (_lock)
        {
            // Connections that fail together are one failure.
            if (_failures > 0 && time.GetElapsedTime(_failedAt) < _span)
            {
                return;
            }

            var ceiling = first * Math.Pow(2, Math.Min(_failures, 30));
            _span = (ceiling < longest ? ceiling : longest) * chance();
            _failedAt = time.GetTimestamp();
            _failures++;
        }
    }

    /// <summary>It worked.</summary>
    public void OnSuccess()
    {
        lock (_lock)
        {
            _failures = 0;
        }
    }
}
