using Nave.EventLog.Format;
using Nave.EventLog.Writing;

namespace Nave.EventLog.Reading;

/// <summary>
/// How far each partition may be read, and who waits for more. Written by the commit thread, once a batch.
/// </summary>
internal sealed class CommittedState(PartitionMarks marks)
{
    private readonly Lock _gate = new();
    private readonly PartitionMarks _marks = marks.Copy();
    private readonly TaskCompletionSource?[] _arrivals = new TaskCompletionSource?[marks.Next.Length];
    private LogFault? _closed;

    /// <summary>The number that the next committed record of the partition will have.</summary>
    public long Next(int partition) => Volatile.Read(ref _marks.Next[partition]);

    /// <summary>For the commit thread, which alone changes it.</summary>
    public PartitionMarks Marks => _marks;

    public (long Next, long Time) Get(int partition)
    {
        lock (_gate)
        {
            return (_marks.Next[partition], _marks.Time[partition]);
        }
    }

    public PartitionMarks Copy()
    {
        lock (_gate)
        {
            return _marks.Copy();
        }
    }

    public void Publish(CommittedFrame frame)
    {
        lock (_gate)
        {
            for (var i = 0; i < frame.Runs.Length; i++)
            {
                var partition = frame.Partitions[i];
                _marks.Time[partition] = frame.Runs[i].LastTime;
                Volatile.Write(ref _marks.Next[partition], frame.Runs[i].NextSequence);
                _arrivals[partition]?.SetResult();
                _arrivals[partition] = null;
            }
        }
    }

    /// <summary>Completes when the partition has a record of this number, or throws when the log is closed.</summary>
    public async ValueTask WaitAsync(int partition, long sequence, CancellationToken stopping)
    {
        while (Next(partition) <= sequence)
        {
            Task arrival;
            lock (_gate)
            {
                if (_closed is not null)
                {
                    throw new LogFailedException(_closed);
                }

                if (_marks.Next[partition] > sequence)
                {
                    return;
                }

                arrival = (_arrivals[partition] ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }

            await arrival.WaitAsync(stopping);
        }
    }

    /// <summary>Wakes everyone who waits: nothing will come any more.</summary>
    public void Close(LogFault fault)
    {
        lock (_gate)
        {
            _closed = fault;
            for (var i = 0; i < _arrivals.Length; i++)
            {
                _arrivals[i]?.SetResult();
                _arrivals[i] = null;
            }
        }
    }
}
