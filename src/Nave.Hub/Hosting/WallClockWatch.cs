using Microsoft.Extensions.Logging;

namespace Nave.Hub.Hosting;

/// <summary>
/// Compares the wall clock with the monotonic one: token expiry, time to live and schedules follow the former, so a jump
/// of more than 5 s is something to tell the operator (design.md, "Time and chance are injected").
/// </summary>
internal sealed partial class WallClockWatch : IDisposable
{
    private static readonly TimeSpan Tolerated = TimeSpan.FromSeconds(5);

    private readonly TimeProvider _time;
    private readonly ILogger<WallClockWatch> _logger;
    private readonly ITimer _timer;
    private DateTimeOffset _wall;
    private long _monotonic;

    public WallClockWatch(TimeProvider time, ILogger<WallClockWatch> logger)
    {
        _time = time;
        _logger = logger;
        _wall = time.GetUtcNow();
        _monotonic = time.GetTimestamp();
        _timer = time.CreateTimer(_ => Look(), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
    }

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        var wall = _time.GetUtcNow();
        var monotonic = _time.GetTimestamp();
        var jump = wall - _wall - _time.GetElapsedTime(_monotonic, monotonic);
        (_wall, _monotonic) = (wall, monotonic);
        if (jump.Duration() > Tolerated)
        {
            Log.Jumped(_logger, jump.TotalSeconds);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1510, LogLevel.Warning, "The wall clock jumped by {Seconds:F1} s: token expiry and schedules follow it")]
        public static partial void Jumped(ILogger logger, double seconds);
    }
}
