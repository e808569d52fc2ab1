using System.Diagnostics;
using Nave.Bench.Linux;

namespace Nave.Bench.Load;

internal enum LoadPhase
{
    Connecting,
    WarmUp,
    Measuring,
    Draining,
    Done,
}

/// <summary>
/// Moves all lanes through the phases of a run. Lane 0 drives it from inside its loop, so that the moment a phase
/// begins, and the CPU and memory read at it, belong to the same instant.
/// </summary>
internal sealed class PhaseClock(LoadOptions options)
{
    private readonly TaskCompletionSource<int> _connected = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _lanesConnected;
    private int _connections;
    private volatile bool _isEnded;
    private int _lanesDrained;
    private volatile int _phase;

    public LoadPhase Phase => (LoadPhase)_phase;

    public Snapshot AtStart { get; } = Snapshot.Take(options.ServerPid);

    public Snapshot AtConnected { get; private set; }

    public Snapshot AtMeasureStart { get; private set; }

    public Snapshot AtMeasureEnd { get; private set; }

    /// <summary>Completes with their number when every connection was tried.</summary>
    public Task<int> Connected => _connected.Task;

    public void End() => _isEnded = true;

    public void LaneConnected(int connections)
    {
        Interlocked.Add(ref _connections, connections);
        Interlocked.Increment(ref _lanesConnected);
    }

    public void LaneDrained() => Interlocked.Increment(ref _lanesDrained);

    public void Advance(long now)
    {
        switch (Phase)
        {
            case LoadPhase.Connecting when Volatile.Read(ref _lanesConnected) == options.Threads:
                AtConnected = Snapshot.Take(options.ServerPid);
                Enter(Volatile.Read(ref _connections) > 0 ? LoadPhase.WarmUp : LoadPhase.Done);
                _connected.SetResult(_connections);
                break;
            case LoadPhase.WarmUp when Since(AtConnected, now) >= options.WarmUp:
                AtMeasureStart = Snapshot.Take(options.ServerPid);
                Enter(LoadPhase.Measuring);
                break;
            case LoadPhase.Measuring when _isEnded || Since(AtMeasureStart, now) >= options.Duration:
                AtMeasureEnd = Snapshot.Take(options.ServerPid);
                Enter(LoadPhase.Draining);
                break;
            case LoadPhase.Draining when Volatile.Read(ref _lanesDrained) == options.Threads
                || Since(AtMeasureEnd, now) > options.Drain:
                Enter(LoadPhase.Done);
                break;
            default:
                break;
        }
    }

    private void Enter(LoadPhase phase) => _phase = (int)phase;

    private static TimeSpan Since(Snapshot snapshot, long now) => Stopwatch.GetElapsedTime(snapshot.At, now);

    /// <summary>A moment, and what server, generator and machine had used by then.</summary>
    internal readonly record struct Snapshot(long At, ProcessSample? Server, ProcessSample? Generator, MachineSample Machine)
    {
        public static Snapshot Take(int? serverPid) => new(
            Stopwatch.GetTimestamp(),
            serverPid is { } pid ? ProcessSample.Read(pid) : null,
            ProcessSample.Read(Environment.ProcessId),
            MachineSample.Read());
    }
}
