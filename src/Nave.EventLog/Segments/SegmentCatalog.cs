namespace Nave.EventLog.Segments;

/// <summary>
/// The segments of the log from the oldest to the active one, and where each partition begins for readers. Swapped whole,
/// read without a lock; changed by the commit thread (a new segment) and the keeper (retention) under one lock.
/// </summary>
internal sealed class SegmentCatalog
{
    private readonly Lock _gate = new();
    private Segment[] _segments;
    private readonly long[] _first;

    /// <param name="segments">All there are; none in a new log, which gets its first one before it is used.</param>
    /// <param name="partitions">How many partitions all streams have.</param>
    public SegmentCatalog(IEnumerable<Segment> segments, int partitions)
    {
        _segments = [.. segments];
        _first = _segments.Length > 0 ? [.. _segments[0].Marks.Next] : new long[partitions];
    }

    public Segment[] Segments => Volatile.Read(ref _segments);

    public Segment Active => Segments[^1];

    /// <summary>Bytes of all segment files.</summary>
    public long TotalBytes => Segments.Sum(segment => segment.Header.Capacity);

    /// <summary>The oldest sequence number of a partition.</summary>
    public long First(int partition) => Volatile.Read(ref _first[partition]);

    public void Add(Segment segment)
    {
        lock (_gate)
        {
            Volatile.Write(ref _segments, [.. _segments, segment]);
        }
    }

    /// <summary>Readers of this partition begin here from now on, if that is not before where they begin already.</summary>
    public void Trim(int partition, long first)
    {
        lock (_gate)
        {
            if (first > _first[partition])
            {
                Volatile.Write(ref _first[partition], first);
            }
        }
    }

    /// <summary>Takes the oldest segment out. Never the active one.</summary>
    public Segment RemoveOldest()
    {
        lock (_gate)
        {
            if (_segments.Length < 2)
            {
                throw new InvalidOperationException("The active segment is never dropped.");
            }

            var oldest = _segments[0];
            var next = _segments[1].Marks.Next;
            for (var i = 0; i < _first.Length; i++)
            {
                if (next[i] > _first[i])
                {
                    Volatile.Write(ref _first[i], next[i]);
                }
            }

            Volatile.Write(ref _segments, _segments[1..]);
            return oldest;
        }
    }

    /// <summary>Puts another file of the same records in a segment's place.</summary>
    public void Replace(Segment segment, Segment replacement)
    {
        lock (_gate)
        {
            Volatile.Write(ref _segments, [.. _segments.Select(one => one == segment ? replacement : one)]);
        }
    }

    /// <summary>What stands in the place of a segment that may have been replaced or dropped: the oldest for the latter.</summary>
    public Segment Current(Segment segment) => Array.Find(Segments, one => one.Id >= segment.Id) ?? Active;

    /// <summary>The segment that holds the record, or would if the log had come so far.</summary>
    public Segment FindSequence(int partition, long sequence)
    {
        var segments = Segments;
        return segments[FindLast(segments, segment => segment.Marks.Next[partition], sequence)];
    }

    /// <summary>The segment where the first record later than the time may be.</summary>
    public Segment FindTime(int partition, long time)
    {
        var segments = Segments;
        return segments[FindLast(segments, segment => segment.Marks.Time[partition], time)];
    }

    /// <summary>The segment behind this one, or null for the active one. The oldest one for one that has been dropped.</summary>
    public Segment? After(Segment segment)
    {
        foreach (var next in Segments)
        {
            if (next.Id > segment.Id)
            {
                return next;
            }
        }

        return null;
    }

    private static int FindLast(Segment[] segments, Func<Segment, long> mark, long value)
    {
        int low = 1, high = segments.Length;
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (mark(segments[middle]) <= value)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low - 1;
    }
}
