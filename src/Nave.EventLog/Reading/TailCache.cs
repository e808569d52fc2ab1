using Nave.EventLog.Format;
using Nave.EventLog.Writing;

namespace Nave.EventLog.Reading;

/// <summary>
/// The last committed batches, in memory: who keeps up with the log is served from here and touches no file. Filled by
/// the commit thread before it publishes a batch. Bounded by bytes.
/// </summary>
internal sealed class TailCache(int partitions, int limitBytes) : IDisposable
{
    /// <summary>Frames of one small record each must not make the cache's own bookkeeping the bigger part.</summary>
    private const int MaxFrames = 16 * 1024;

    private readonly Lock _gate = new();
    private readonly Queue<CommittedFrame> _frames = new();
    private readonly TailRuns[] _runs = [.. Enumerable.Range(0, partitions).Select(_ => new TailRuns())];
    private long _heldBytes;

    /// <summary>Takes over the caller's use of the frame.</summary>
    public void Add(CommittedFrame frame)
    {
        lock (_gate)
        {
            _frames.Enqueue(frame);
            _heldBytes += frame.HeldBytes;
            var offset = frame.HeaderBytes;
            for (var i = 0; i < frame.Runs.Length; i++)
            {
                _runs[frame.Partitions[i]].Enqueue(new TailRun(frame, frame.Runs[i], offset));
                offset += frame.Runs[i].Bytes;
            }

            while (_frames.Count > 1 && (_heldBytes > limitBytes || _frames.Count > MaxFrames))
            {
                DropOldest();
            }
        }
    }

    /// <summary>Adds what is here from this sequence number on; nothing when the record is older than all of it.</summary>
    public void Read(int partition, long sequence, RecordCollector into, ref TailPlace place)
    {
        while (!into.IsFull && Find(partition, sequence) is { } run)
        {
            var offset = run.Offset;
            var at = run.Header.FirstSequence;
            if (place.Frame == run.Frame.Number && place.Sequence == sequence)
            {
                (offset, at) = (place.Offset, sequence); // Where the last call stopped: no need to count from the start.
            }

            into.Keep(run.Frame);
            while (at < run.Header.NextSequence && !into.IsFull)
            {
                var header = run.Frame.Slice(offset, RecordFormat.HeaderBytes).Span;
                var length = RecordFormat.ReadLength(header);
                if (at >= sequence)
                {
                    into.Add(at, RecordFormat.ReadTime(header), run.Frame.Slice(offset + RecordFormat.HeaderBytes, length));
                }

                offset += RecordFormat.HeaderBytes + length;
                at++;
            }

            sequence = at;
            place = new TailPlace(run.Frame.Number, at, offset);
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            while (_frames.Count > 0)
            {
                DropOldest();
            }
        }
    }

    // The run that holds the record, with a use of its frame that the caller must release.
    private TailRun? Find(int partition, long sequence)
    {
        lock (_gate)
        {
            var found = _runs[partition].Find(sequence);
            found?.Frame.Use();
            return found;
        }
    }

    private void DropOldest()
    {
        var frame = _frames.Dequeue();
        _heldBytes -= frame.HeldBytes;
        foreach (var partition in frame.Partitions)
        {
            _runs[partition].Dequeue();
        }

        frame.Dispose();
    }

    private sealed record TailRun(CommittedFrame Frame, FrameRun Header, int Offset);

    /// <summary>A queue that can be searched: the runs of one partition, oldest first, without gaps.</summary>
    private sealed class TailRuns
    {
        private TailRun?[] _ring = new TailRun?[16];
        private int _head;
        private int _count;

        public void Enqueue(TailRun run)
        {
            if (_count == _ring.Length)
            {
                var bigger = new TailRun?[_ring.Length * 2];
                for (var i = 0; i < _count; i++)
                {
                    bigger[i] = At(i);
                }

                (_ring, _head) = (bigger, 0);
            }

            _ring[(_head + _count++) & (_ring.Length - 1)] = run;
        }

        public void Dequeue()
        {
            _ring[_head] = null;
            _head = (_head + 1) & (_ring.Length - 1);
            _count--;
        }

        public TailRun? Find(long sequence)
        {
            int low = 0, high = _count;
            while (low < high)
            {
                var middle = (low + high) / 2;
                if (At(middle)!.Header.FirstSequence <= sequence)
                {
                    low = middle + 1;
                }
                else
                {
                    high = middle;
                }
            }

            return low > 0 && At(low - 1) is { } run && sequence < run.Header.NextSequence ? run : null;
        }

        private TailRun? At(int index) => _ring[(_head + index) & (_ring.Length - 1)];
    }
}

/// <summary>Where in a frame a tail reader stopped.</summary>
internal readonly record struct TailPlace(long Frame, long Sequence, int Offset);
