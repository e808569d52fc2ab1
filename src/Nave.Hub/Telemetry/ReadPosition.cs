using Nave.EventLog;

namespace Nave.Hub.Telemetry;

/// <summary>
/// Where a reader asks to start, as its filter says it (spec/events-endpoint.md 3.1). Whether there is such a place is
/// decided against the partition when the reader is opened.
/// </summary>
internal readonly record struct ReadPosition(ReadPositionKind Kind, long Value = 0, bool IsInclusive = false)
{
    /// <summary>From the oldest event.</summary>
    public static ReadPosition Beginning => default;

    /// <summary>Turns the wish into a place in the log; false when it lies beyond the last event.</summary>
    public bool TryResolve(in PartitionState state, out ReadFrom from)
    {
        from = Kind switch
        {
            // As of now, not of when the reader gets round to it: nothing that arrives after the attach is skipped.
            ReadPositionKind.End => ReadFrom.Sequence(state.NextSequenceNumber),
            ReadPositionKind.EnqueuedTime => ReadFrom.After(
                DateTimeOffset.FromUnixTimeMilliseconds(Math.Clamp(Value - (IsInclusive ? 1 : 0), MinMilliseconds, MaxMilliseconds))),
            ReadPositionKind.Offset or ReadPositionKind.SequenceNumber when Value >= 0 =>
                ReadFrom.Sequence(IsInclusive ? Value : Value + 1),
            _ => ReadFrom.Beginning,
        };

        // The offset is the sequence number as decimal text, so both are held against the same last number.
        var last = state.NextSequenceNumber - 1;
        return Kind is not (ReadPositionKind.Offset or ReadPositionKind.SequenceNumber) || Value <= last || Value < 0;
    }

    private const long MinMilliseconds = 0;
    private const long MaxMilliseconds = 253_402_300_799_000; // The end of the year 9999, the last that DateTimeOffset knows.
}

/// <summary>Kinds of start positions.</summary>
internal enum ReadPositionKind
{
    Beginning,
    Offset,
    SequenceNumber,
    EnqueuedTime,
    End,
}
