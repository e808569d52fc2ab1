using Nave.EventLog;

namespace Nave.Hub.Monitoring;

/// <summary>
/// Whether the hub lives and is ready: live as long as it answers, ready from the moment its ports are open until it
/// begins to stop, unless the log takes nothing.
/// </summary>
internal sealed class HubHealth
{
    private volatile bool _isServing;
    private volatile IEventLog? _log;

    /// <summary>Null when ready, else why not.</summary>
    public string? NotReadyBecause =>
        !_isServing ? "starting or stopping"
        : _log?.Fault is { } fault ? fault.Message
        : null;

    /// <summary>The ports are open.</summary>
    public void Ready(IEventLog? log)
    {
        _log = log;
        _isServing = true;
    }

    /// <summary>The hub has begun to stop.</summary>
    public void Stopping() => _isServing = false;
}
