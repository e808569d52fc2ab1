namespace Nave.EventLog;

/// <summary>
/// The directory of one log, as the log uses it: the seam at which tests put a disk that loses, tears and refuses.
/// Names are plain file names. Calls block; each names the step of the log's work that it is, so that a fault can be
/// placed there. Failures are <see cref="IOException"/>; a full disk is <see cref="LogDiskFullException"/>.
/// </summary>
public interface ILogFiles
{
    /// <summary>Where the files are, for messages to people.</summary>
    string Location { get; }

    /// <summary>Bytes that could still be written.</summary>
    long FreeBytes { get; }

    /// <summary>The names of all files.</summary>
    IReadOnlyList<string> List();

    /// <summary>Creates an empty file, replacing one of that name. Its name is durable after <see cref="SyncDirectory"/>.</summary>
    ILogFile Create(string name, LogStep step);

    /// <summary>Opens a file that exists.</summary>
    /// <exception cref="FileNotFoundException">There is none.</exception>
    ILogFile Open(string name);

    /// <summary>Renames a file; open handles follow it. Durable after <see cref="SyncDirectory"/>.</summary>
    void Rename(string name, string newName, LogStep step);

    /// <summary>Deletes a file if it exists; open handles go on reading it. Durable after <see cref="SyncDirectory"/>.</summary>
    void Delete(string name, LogStep step);

    /// <summary>Makes creations, renames and deletions durable.</summary>
    void SyncDirectory(LogStep step);
}

/// <summary>One open file. Reads may run beside a write elsewhere in the file.</summary>
public interface ILogFile : IDisposable
{
    /// <summary>The file's size.</summary>
    long Length { get; }

    /// <summary>Reads up to the buffer's length; fewer bytes only at the end of the file.</summary>
    int Read(long offset, Span<byte> buffer);

    /// <summary>Writes all bytes, or throws. Durable after <see cref="Sync"/>.</summary>
    void Write(long offset, ReadOnlySpan<byte> bytes, LogStep step);

    /// <summary>Writes zeros (really writes them: a later sync must have no metadata to journal).</summary>
    void Zero(long offset, long length, LogStep step);

    /// <summary>
    /// Makes everything written to this file durable, or throws. After it has thrown, nothing is known of what was
    /// written since the last success, and calling it again would prove nothing.
    /// </summary>
    void Sync(LogStep step);
}

/// <summary>The steps at which the log touches the disk. Tests cut the power, fail or fill the disk at each of them.</summary>
public enum LogStep
{
    /// <summary>A new file for a spare segment.</summary>
    CreateSpare,

    /// <summary>Zeros into a spare segment.</summary>
    FillSpare,

    /// <summary>Sync of a zero-filled spare segment.</summary>
    SyncSpare,

    /// <summary>A spare segment gets the name that says it is complete.</summary>
    RenameSpare,

    /// <summary>The header of a segment about to become active.</summary>
    WriteHeader,

    /// <summary>Sync of that header.</summary>
    SyncHeader,

    /// <summary>The segment gets its name.</summary>
    NameSegment,

    /// <summary>Sync of the directory after that.</summary>
    SyncSegmentName,

    /// <summary>A batch is written.</summary>
    WriteFrame,

    /// <summary>The batch's sync.</summary>
    SyncFrame,

    /// <summary>Recovery writes the last whole frame again.</summary>
    RewriteFrame,

    /// <summary>Recovery zeroes a torn tail.</summary>
    ZeroTail,

    /// <summary>Sync of what recovery wrote.</summary>
    SyncRecovery,

    /// <summary>A sealed segment's index is written.</summary>
    WriteIndex,

    /// <summary>A sealed segment's records are written in the order of partitions, into a file beside it.</summary>
    WriteSorted,

    /// <summary>Sync of that file.</summary>
    SyncSorted,

    /// <summary>It gets the name that puts it in the segment's place.</summary>
    NameSorted,

    /// <summary>Sync of the directory after that.</summary>
    SyncSortedName,

    /// <summary>A segment that retention has dropped gets the name of a spare.</summary>
    RecycleSegment,

    /// <summary>A file that is no longer needed is deleted.</summary>
    Delete,

    /// <summary>Sync of the directory after a deletion.</summary>
    SyncDelete,
}

/// <summary>No space left on the device.</summary>
public sealed class LogDiskFullException(string message, Exception? inner = null) : IOException(message, inner);
