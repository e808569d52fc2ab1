namespace Nave.Tokens.Limits;

/// <summary>Lets something be said once a minute: what strangers can cause must not fill a log.</summary>
internal sealed class Seldom(TimeProvider time)
{
    private static readonly TimeSpan Pace = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private long? _saidAt;

    /// <summary>Whether it may be said now.</summary>
    public bool MaySay()
    {
        lock (_lock)
        {
            if (_saidAt is { } at && time.GetElapsedTime(at) < Pace)
            {
                return false;
            }

            _saidAt = time.GetTimestamp();
            return true;
        }
    }
}
