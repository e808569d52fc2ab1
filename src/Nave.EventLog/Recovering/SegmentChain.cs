using Microsoft.Extensions.Logging;
using Nave.EventLog.Format;
using Nave.EventLog.Segments;

namespace Nave.EventLog.Recovering;

/// <summary>
/// Finds which segment files make up the log: from the newest one back, each names its predecessor. A file that nobody
/// names is the remains of a step that failed or was cut off, never acknowledged anything, and is deleted.
/// </summary>
internal static partial class SegmentChain
{
    /// <summary>The headers from the oldest to the newest; none for a new log.</summary>
    /// <exception cref="LogCorruptException">A header is damaged or a segment is missing.</exception>
    public static List<SegmentHeader> Read(ILogFiles files, IReadOnlyList<string> names, ILogger logger)
    {
        var ids = new HashSet<long>();
        foreach (var name in names)
        {
            if (SegmentNames.TryParse(name, SegmentNames.SegmentSuffix, out var id)
                || SegmentNames.TryParse(name, SegmentNames.SortedSuffix, out id))
            {
                ids.Add(id);
            }
        }

        var chain = new List<SegmentHeader>();
        for (var id = ids.Count > 0 ? ids.Max() : -1; id >= 0 && ids.Contains(id);)
        {
            var header = ReadHeader(files, names, id);
            chain.Add(header);
            id = header.PreviousId;
        }

        chain.Reverse();
        if (chain.Count > 0)
        {
            CheckNothingMissing(files, names, chain[0], ids);
            DeleteRemains(files, names, chain.ToDictionary(header => header.Identity.Id), logger);
        }

        return chain;
    }

    // A sorted segment had its name only after it was synced: where it is, the other is left from before.
    private static SegmentHeader ReadHeader(ILogFiles files, IReadOnlyList<string> names, long id)
    {
        var name = names.Contains(SegmentNames.Sorted(id)) ? SegmentNames.Sorted(id) : SegmentNames.Segment(id);
        using var file = files.Open(name);
        var header = SegmentHeader.Read(file, $"{name} in {files.Location}");
        return header.Identity.Id == id && header.PreviousId < id
            ? header
            : throw new LogCorruptException(
                $"{name} in {files.Location} holds the header of segment {header.Identity.Id}: the file was renamed or copied. Nothing was changed. Give it back its name.");
    }

    // Retention takes the oldest ones, so what is older than the chain can't be there.
    private static void CheckNothingMissing(ILogFiles files, IReadOnlyList<string> names, SegmentHeader oldest, HashSet<long> ids)
    {
        if (oldest.PreviousId >= 0 && ids.Any(id => id < oldest.PreviousId && HasFrames(files, names, id)))
        {
            throw new LogCorruptException(
                $"{SegmentNames.Segment(oldest.PreviousId)} is missing in {files.Location}, although older segments are there. Nothing was changed. Restore the file from a backup, or move the older segments away to go on without their records.");
        }
    }

    private static bool HasFrames(ILogFiles files, IReadOnlyList<string> names, long id)
    {
        var header = ReadHeader(files, names, id);
        if (header.SortedEnd > 0)
        {
            return true;
        }

        using var file = files.Open(SegmentNames.Segment(id));
        Span<byte> start = stackalloc byte[FrameFormat.FixedBytes];
        return file.Read(header.Bytes, start) == start.Length && FrameFormat.PeekHeaderBytes(start, header.Identity) > 0;
    }

    private static void DeleteRemains(
        ILogFiles files, IReadOnlyList<string> names, Dictionary<long, SegmentHeader> chain, ILogger logger)
    {
        foreach (var name in names)
        {
            if (SegmentNames.TryParse(name, SegmentNames.SortingSuffix, out _)
                || (SegmentNames.TryParse(name, SegmentNames.IndexSuffix, out var id) && !chain.ContainsKey(id)))
            {
                files.Delete(name, LogStep.Delete);
            }
            else if (SegmentNames.TryParse(name, SegmentNames.SegmentSuffix, out id)
                && !(chain.TryGetValue(id, out var header) && header.SortedEnd == 0))
            {
                Log.Deleted(logger, name);
                files.Delete(name, LogStep.Delete);
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(6020, LogLevel.Warning, "Deleted {Segment}: it was begun when a write failed or the power went and never used, or it has been sorted into another file")]
        public static partial void Deleted(ILogger logger, string segment);
    }
}
