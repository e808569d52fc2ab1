using Nave.EventLog;

namespace Nave.Hub.Telemetry;

/// <summary>
/// Where a reader's events go: a link, a stream, a file. Its demand is the only thing that makes the reader read.
/// Called by one reader loop at a time.
/// </summary>
internal interface IEventSink
{
    /// <summary>How many events may be delivered now. Never more than the receiver has asked for.</summary>
    int Demand { get; }

    /// <summary>Whether the receiver wants what there is and then an end to its demand (AMQP drain).</summary>
    bool IsDraining { get; }

    /// <summary>Completes when the demand, the draining or the end of the sink may have changed.</summary>
    ValueTask WaitForDemandAsync(CancellationToken stopping);

    /// <summary>Delivers events, which may leave together. The records' bytes are valid during the call.</summary>
    /// <param name="records">In sequence order; no more than the demand.</param>
    /// <param name="state">The partition as it is now.</param>
    /// <returns>How many were taken: fewer where no demand is left.</returns>
    int Deliver(IReadOnlyList<LogRecord> records, in PartitionState state);

    /// <summary>
    /// Nothing more can be had without waiting: a drain under way is complete, and one that comes before
    /// <see cref="OnReading"/> is complete at once.
    /// </summary>
    void OnCaughtUp();

    /// <summary>There is something again, and it is being read.</summary>
    void OnReading();
}
