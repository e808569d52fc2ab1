using System.Buffers;
using Amqp;
using Nave.EventLog;
using Nave.Hub.Telemetry;

namespace Nave.Hub.Tests.Events;

/// <summary>An event log in memory that commits at once, unless its test has it refuse or lose what it took.</summary>
internal sealed class SwitchedLog(LogStream stream) : IEventLog
{
    private readonly List<(LogPartition Partition, byte[] Bytes)> _taken = [];
    private readonly List<(LogPartition Partition, byte[] Bytes)> _committed = [];
    private readonly Lock _lock = new();

    public IReadOnlyList<LogStream> Streams { get; } = [stream];

    public LogPosition Committed => new(_taken.Count);

    public LogFault? Fault { get; set; }

    /// <summary>What is taken is lost, and whoever waits for it hears so.</summary>
    public bool LosesBatches { get; set; }

    /// <summary>So many are taken before the log refuses the next.</summary>
    public int TakesBeforeFault { get; set; } = int.MaxValue;

    /// <summary>The events that readers would get.</summary>
    public IReadOnlyList<(LogPartition Partition, Message Message)> Events
    {
        get
        {
            lock (_lock)
            {
                return [.. _committed.Select((record, index) => (record.Partition, Decode(record.Bytes, index)))];
            }
        }
    }

    public AppendOutcome TryAppend(LogPartition partition, in RecordParts record, ICommitWaiter? waiter, out LogPosition position)
    {
        lock (_lock)
        {
            position = default;
            if (Fault is not null || TakesBeforeFault-- <= 0)
            {
                return AppendOutcome.Refused;
            }

            _taken.Add((partition, [.. record.First, .. record.Second, .. record.Third, .. record.Body.ToArray()]));
            position = new LogPosition(_taken.Count);
            return AppendOutcome.Taken;
        }
    }

    public ValueTask WaitForRoomAsync(CancellationToken stopping) => default;

    public ValueTask WaitForCommitAsync(LogPosition position, CancellationToken stopping)
    {
        lock (_lock)
        {
            if (LosesBatches)
            {
                _taken.Clear();
                throw new LogFailedException(new LogFault(LogFaultKind.WriteFailed, "The test broke the disk."));
            }

            _committed.AddRange(_taken);
            _taken.Clear();
            return default;
        }
    }

    public PartitionState GetState(LogPartition partition) => throw new NotSupportedException();

    public ValueTask<IPartitionReader> OpenReaderAsync(LogPartition partition, ReadFrom from, CancellationToken stopping) =>
        throw new NotSupportedException();

    public ValueTask DisposeAsync() => default;

    private static Message Decode(byte[] bytes, int index)
    {
        var writer = new ArrayBufferWriter<byte>();
        EventEncoding.WriteMessage(new LogRecord(index, 0, bytes), writer);
        var buffer = new ByteBuffer(writer.WrittenSpan.ToArray(), 0, writer.WrittenCount, writer.WrittenCount);
        return Message.Decode(buffer);
    }
}
