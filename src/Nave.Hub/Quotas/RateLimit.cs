using Nave.Protocol.Errors;

namespace Nave.Hub.Quotas;

/// <summary>
/// One limit by rate, as the service shapes it (spec/messaging-semantics.md 3.2): a period's worth passes at once, what comes
/// then is given its turn at the limit's rate, and what finds the backlog full is refused. A turn is a number: nothing is
/// queued here. Any thread may call.
/// </summary>
internal sealed class RateLimit(Rate rate, TimeSpan maxDelay, int? backlog, TimeProvider time)
{
    // Timers count in milliseconds: a shorter wait is let pass, and stays as debt.
    private static readonly TimeSpan Slack = TimeSpan.FromMilliseconds(5);

    private readonly double _burst = Math.Max(1, rate.Amount);
    private readonly double _backlog = backlog ?? Math.Floor(rate.PerSecond * maxDelay.TotalSeconds);
    private readonly Lock _lock = new();
    private double _tokens = Math.Max(1, rate.Amount);
    private long _at = time.GetTimestamp();
    private long _passed;
    private long _delayed;
    private long _refused;

    /// <summary>What it allows.</summary>
    public Rate Rate => rate;

    /// <summary>Gives a turn, now or later, or none.</summary>
    /// <param name="cost">More than the burst passes when the bucket is full, and leaves debt.</param>
    /// <param name="patience">How long the caller may still wait.</param>
    public Turn Take(double cost, TimeSpan patience)
    {
        lock (_lock)
        {
            Refill();
            var missing = Math.Min(cost, _burst) - _tokens;
            var wait = TimeSpan.FromSeconds(Math.Max(0, missing / rate.PerSecond));
            if (wait > Slack && (missing > _backlog || wait > patience))
            {
                _refused++;
                return new Turn(wait, missing > _backlog ? HubFailures.Throttled : HubFailures.ThrottledTooLong);
            }

            return Give(cost, wait);
        }
    }

    /// <summary>Gives a turn however far away it is: for work of the hub's own that has all day.</summary>
    public TimeSpan TakeAnyway(double cost)
    {
        lock (_lock)
        {
            Refill();
            return Give(cost, TimeSpan.FromSeconds(Math.Max(0, (Math.Min(cost, _burst) - _tokens) / rate.PerSecond))).Wait;
        }
    }

    /// <summary>How many may wait at once.</summary>
    public double Backlog => _backlog;

    /// <summary>A turn that nobody waits for is another's.</summary>
    /// <param name="cost">As it was taken.</param>
    /// <param name="isRefused">Whoever had it was not let wait.</param>
    public void GiveBack(double cost, bool isRefused = false)
    {
        lock (_lock)
        {
            Refill();
            _tokens = Math.Min(_burst, _tokens + cost);
            if (isRefused)
            {
                _delayed--;
                _refused++;
            }
        }
    }

    /// <summary>How it stands.</summary>
    public RateState Read()
    {
        lock (_lock)
        {
            Refill();
            return new RateState(_passed, _delayed, _refused, Math.Max(0, -_tokens), Math.Clamp(1 - (_tokens / _burst), 0, 1));
        }
    }

    private Turn Give(double cost, TimeSpan wait)
    {
        _tokens -= cost;
        if (wait > Slack)
        {
            _delayed++;
            return new Turn(wait, null);
        }

        _passed++;
        return default;
    }

    private void Refill()
    {
        var now = time.GetTimestamp();
        _tokens = Math.Min(_burst, _tokens + (time.GetElapsedTime(_at, now).TotalSeconds * rate.PerSecond));
        _at = now;
    }
}

/// <summary>When something may go on, or why it may not.</summary>
/// <param name="Wait">Until it may, zero for now; of a refusal, until one like it would pass.</param>
/// <param name="Failure">Why not; null when it may.</param>
internal readonly record struct Turn(TimeSpan Wait, HubFailure? Failure);

/// <summary>How a limit stands.</summary>
/// <param name="Passed">Let through at once since the start.</param>
/// <param name="Delayed">Kept waiting since the start.</param>
/// <param name="Refused">Refused since the start.</param>
/// <param name="Waiting">What waits for its turn now, about.</param>
/// <param name="Used">Of the burst, from 0 to 1.</param>
internal readonly record struct RateState(long Passed, long Delayed, long Refused, double Waiting, double Used);
