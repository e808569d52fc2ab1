using System.Globalization;
using Nave.EventLog.Format;

namespace Nave.EventLog.Segments;

/// <summary>One segment file of the log, as all threads see it. Everything but <see cref="End"/> and the index is fixed.</summary>
internal sealed class Segment(SegmentHeader header, PartitionMarks marks, long end)
{
    private long _end = end;
    private SegmentIndex? _index;
    private int _readers; // Who has the file open; -1 when nobody may any more.

    public SegmentHeader Header { get; } = header;

    public long Id => Header.Identity.Id;

    public bool IsSorted => Header.SortedEnd > 0;

    public string Name { get; } =
        header.SortedEnd > 0 ? SegmentNames.Sorted(header.Identity.Id) : SegmentNames.Segment(header.Identity.Id);

    /// <summary>The state of all partitions before the segment's first frame.</summary>
    public PartitionMarks Marks { get; } = marks;

    public long FirstFrameOffset => Header.Bytes;

    /// <summary>Where committed frames end. Readers go no further.</summary>
    public long End
    {
        get => Volatile.Read(ref _end);
        set => Volatile.Write(ref _end, value);
    }

    /// <summary>Null while it isn't in memory.</summary>
    public SegmentIndex? Index
    {
        get => Volatile.Read(ref _index);
        set => Volatile.Write(ref _index, value);
    }

    /// <summary>Keeps the file from being recycled until <see cref="EndReading"/>. False when it is too late for that.</summary>
    public bool TryBeginReading()
    {
        for (var readers = Volatile.Read(ref _readers); readers >= 0;)
        {
            var seen = Interlocked.CompareExchange(ref _readers, readers + 1, readers);
            if (seen == readers)
            {
                return true;
            }

            readers = seen;
        }

        return false;
    }

    public void EndReading() => Interlocked.Decrement(ref _readers);

    /// <summary>Lets nobody read the file any more, if nobody does now: it is going to be written over.</summary>
    public bool TryRetire() => Interlocked.CompareExchange(ref _readers, -1, 0) == 0;
}

/// <summary>What the files of a log are called.</summary>
internal static class SegmentNames
{
    public const string SegmentSuffix = ".log";
    public const string IndexSuffix = ".index";

    /// <summary>A segment in the order of partitions, which stands in the place of the one with the same number.</summary>
    public const string SortedSuffix = ".sorted";

    /// <summary>One that is still being written: worthless after a restart.</summary>
    public const string SortingSuffix = ".sorting";

    /// <summary>Zero-filled and synced, or once a segment that was dropped: to become a segment.</summary>
    public const string SpareSuffix = ".spare";

    /// <summary>A spare that is still being filled: worthless after a restart.</summary>
    public const string FillingSuffix = ".filling";

    public static string Segment(long id) => Numbered(id, SegmentSuffix);

    public static string Sorted(long id) => Numbered(id, SortedSuffix);

    public static string Sorting(long id) => Numbered(id, SortingSuffix);

    public static string Index(long id) => Numbered(id, IndexSuffix);

    public static string Spare(long number) => Numbered(number, SpareSuffix);

    public static string Filling(long number) => Numbered(number, FillingSuffix);

    /// <summary>Reads the number of a name with this suffix.</summary>
    public static bool TryParse(string name, string suffix, out long number)
    {
        number = 0;
        return name.EndsWith(suffix, StringComparison.Ordinal)
            && long.TryParse(name.AsSpan(0, name.Length - suffix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }

    private static string Numbered(long number, string suffix) => number.ToString("D12", CultureInfo.InvariantCulture) + suffix;
}
