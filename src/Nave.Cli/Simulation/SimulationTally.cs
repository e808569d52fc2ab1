using System.Collections.Concurrent;

namespace Nave.Cli.Simulation;

/// <summary>What a simulation has done so far. Any thread may call.</summary>
internal sealed class SimulationTally
{
    private readonly ConcurrentDictionary<string, long> _errors = new(StringComparer.Ordinal);
    private long _sent;
    private long _acknowledged;
    private long _commands;
    private long _methods;
    private int _connected;

    /// <summary>Messages handed to a socket.</summary>
    public long Sent => Interlocked.Read(ref _sent);

    /// <summary>Messages that the hub acknowledged.</summary>
    public long Acknowledged => Interlocked.Read(ref _acknowledged);

    /// <summary>Commands that devices have completed.</summary>
    public long Commands => Interlocked.Read(ref _commands);

    /// <summary>Direct methods that devices have answered.</summary>
    public long Methods => Interlocked.Read(ref _methods);

    /// <summary>Devices connected now.</summary>
    public int Connected => Volatile.Read(ref _connected);

    /// <summary>Errors by what they were.</summary>
    public IReadOnlyDictionary<string, long> Errors => _errors;

    /// <summary>From the send of a message to its acknowledgement.</summary>
    public LatencyRecorder Latency { get; } = new();

    /// <summary>A device is connected.</summary>
    public void DeviceConnected() => Interlocked.Increment(ref _connected);

    /// <summary>A device is no longer connected.</summary>
    public void DeviceGone() => Interlocked.Decrement(ref _connected);

    /// <summary>A message went out.</summary>
    public void MessageSent() => Interlocked.Increment(ref _sent);

    /// <summary>A message was acknowledged.</summary>
    public void MessageAcknowledged(TimeSpan latency)
    {
        Interlocked.Increment(ref _acknowledged);
        Latency.Record(latency);
    }

    /// <summary>A command was completed.</summary>
    public void CommandAnswered() => Interlocked.Increment(ref _commands);

    /// <summary>A direct method was answered.</summary>
    public void MethodAnswered() => Interlocked.Increment(ref _methods);

    /// <summary>Something went wrong.</summary>
    public void Failed(string what) => _errors.AddOrUpdate(what, 1, static (_, count) => count + 1);
}
