namespace Nave.EventLog.Format;

/// <summary>
/// Numbers all partitions of all streams 0, 1, 2, ... in the order of stream ids. Streams that the data has and the
/// options no longer name keep their place, so that their numbering survives until they are named again.
/// </summary>
internal sealed class StreamTable
{
    private readonly int[] _first; // By stream id: the number of its partition 0, or -1.
    private readonly int[] _partitions; // By stream id: how many can be addressed; 0 for a stream that is not named.
    private readonly LogPartition[] _byIndex;

    /// <param name="named">The streams of the options.</param>
    /// <param name="stored">Id and partition count of the streams of the data.</param>
    public StreamTable(IReadOnlyList<LogStream> named, IReadOnlyList<StoredStream> stored)
    {
        Named = [.. named.OrderBy(stream => stream.Id)];
        Stored =
        [
            .. named.Select(stream => new StoredStream(stream.Id, (ushort)stream.Partitions))
                .Concat(stored.Where(old => named.All(stream => stream.Id != old.Id)))
                .OrderBy(stream => stream.Id),
        ];
        _first = new int[Stored[^1].Id + 1];
        Array.Fill(_first, -1);
        _partitions = new int[_first.Length];
        _byIndex = [.. Stored.SelectMany(stream => Enumerable.Range(0, stream.Partitions)
            .Select(partition => new LogPartition(stream.Id, (ushort)partition)))];
        for (var index = _byIndex.Length - 1; index >= 0; index--)
        {
            _first[_byIndex[index].Stream] = index;
        }

        foreach (var stream in named)
        {
            _partitions[stream.Id] = stream.Partitions;
        }
    }

    /// <summary>The streams that can be appended to and read.</summary>
    public IReadOnlyList<LogStream> Named { get; }

    /// <summary>All streams, as a segment header lists them.</summary>
    public IReadOnlyList<StoredStream> Stored { get; }

    /// <summary>Partitions of all streams.</summary>
    public int Count => _byIndex.Length;

    public LogPartition this[int index] => _byIndex[index];

    /// <exception cref="ArgumentOutOfRangeException">No such partition.</exception>
    public int IndexOf(LogPartition partition) =>
        partition.Stream < _partitions.Length && partition.Partition < _partitions[partition.Stream]
            ? _first[partition.Stream] + partition.Partition
            : throw new ArgumentOutOfRangeException(nameof(partition), $"The log has no partition {partition.Partition} of stream {partition.Stream}.");

    /// <summary>The same for what is found in a file, where streams no longer named are found too; -1 for none.</summary>
    public int Find(LogPartition partition)
    {
        if (partition.Stream >= _first.Length || _first[partition.Stream] < 0)
        {
            return -1;
        }

        var index = _first[partition.Stream] + partition.Partition;
        return index < _byIndex.Length && _byIndex[index].Stream == partition.Stream ? index : -1;
    }

    /// <summary>Whether a segment written with these streams needs no new header.</summary>
    public bool HasSameStreams(IReadOnlyList<StoredStream> streams) => Stored.SequenceEqual(streams);
}

/// <summary>A stream as a segment header lists it.</summary>
internal readonly record struct StoredStream(ushort Id, ushort Partitions);
