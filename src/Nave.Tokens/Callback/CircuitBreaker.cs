namespace Nave.Tokens.Callback;

/// <summary>
/// Stops asking a service that does not answer: after five failures in a row nobody is asked for ten seconds, then one
/// is, and its outcome decides. Any thread may call.
/// </summary>
internal sealed class CircuitBreaker(TimeProvider time)
{
    private const int Failures = 5;

    /// <summary>How long it stays open.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private int _failures;
    private long? _openedAt;
    private bool _isProbing;

    /// <summary>Whether the service may be asked; null, or how long not. Who may must report.</summary>
    public TimeSpan? Enter()
    {
        lock (_lock)
        {
            if (_openedAt is not { } at)
            {
                return null;
            }

            var left = Pause - time.GetElapsedTime(at);
            if (left > TimeSpan.Zero || _isProbing)
            {
                return left > TimeSpan.FromSeconds(1) ? left : TimeSpan.FromSeconds(1);
            }

            _isProbing = true;
            return null;
        }
    }

    /// <summary>The service answered, whatever it said.</summary>
    public void Answered()
    {
        lock (_lock)
        {
            (_failures, _openedAt, _isProbing) = (0, null, false);
        }
    }

    /// <summary>It did not. True when that opened the circuit.</summary>
    public bool Failed()
    {
        lock (_lock)
        {
            _isProbing = false;
            if (++_failures < Failures)
            {
                return false;
            }

            var opens = _openedAt is null;
            _openedAt = time.GetTimestamp();
            return opens;
        }
    }
}
