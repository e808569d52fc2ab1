using Nave.EventLog.Format;

namespace Nave.EventLog.Recovering;

/// <summary>Compares the streams that are asked for with those of the data.</summary>
internal static class StreamCheck
{
    /// <exception cref="LogOpenException">A stream has another partition count than its data.</exception>
    public static void ThrowIfChanged(IReadOnlyList<LogStream> named, IReadOnlyList<StoredStream> stored, string location)
    {
        foreach (var stream in named)
        {
            foreach (var old in stored)
            {
                if (old.Id == stream.Id && old.Partitions != stream.Partitions)
                {
                    throw new LogOpenException(
                        $"Stream '{stream.Name}' has {old.Partitions} partitions in {location}, and the configuration asks for {stream.Partitions}. The partition count is fixed when a stream is created: set it back to {old.Partitions}, or start with an empty data directory.");
                }
            }
        }
    }

    /// <summary>The marks of a header, numbered by the table of today.</summary>
    public static PartitionMarks Translate(SegmentHeader header, StreamTable streams)
    {
        var marks = new PartitionMarks(streams.Count);
        var at = 0;
        foreach (var stream in header.Streams)
        {
            for (ushort partition = 0; partition < stream.Partitions; partition++, at++)
            {
                var index = streams.Find(new LogPartition(stream.Id, partition));
                (marks.Next[index], marks.Time[index]) = (header.Marks.Next[at], header.Marks.Time[at]);
            }
        }

        return marks;
    }
}
