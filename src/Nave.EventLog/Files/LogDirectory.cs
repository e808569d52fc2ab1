using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Nave.EventLog;

/// <summary>A log's directory on a real file system.</summary>
public sealed class LogDirectory : ILogFiles
{
    private const int NoSpaceLeft = 28; // ENOSPC
    private const int QuotaExceeded = 122; // EDQUOT
    private const int WindowsDiskFull = unchecked((int)0x80070070);

    /// <summary>Creates the directory where it doesn't exist yet.</summary>
    public LogDirectory(string path)
    {
        Location = Path.GetFullPath(path);
        if (!Directory.Exists(Location))
        {
            Directory.CreateDirectory(Location);
            PosixFile.SyncDirectory(Path.GetDirectoryName(Location) ?? Location);
        }
    }

    /// <inheritdoc/>
    public string Location { get; }

    /// <inheritdoc/>
    public long FreeBytes => new DriveInfo(Location).AvailableFreeSpace;

    /// <inheritdoc/>
    public IReadOnlyList<string> List() => [.. Directory.EnumerateFiles(Location).Select(path => Path.GetFileName(path))];

    /// <inheritdoc/>
    public ILogFile Create(string name, LogStep step) => OpenFile(name, FileMode.Create);

    /// <inheritdoc/>
    public ILogFile Open(string name) => OpenFile(name, FileMode.Open);

    /// <inheritdoc/>
    public void Rename(string name, string newName, LogStep step) => File.Move(PathOf(name), PathOf(newName), overwrite: true);

    /// <inheritdoc/>
    public void Delete(string name, LogStep step) => File.Delete(PathOf(name));

    /// <inheritdoc/>
    public void SyncDirectory(LogStep step) => PosixFile.SyncDirectory(Location);

    private string PathOf(string name) => Path.Combine(Location, name);

    private RealFile OpenFile(string name, FileMode mode) =>
        new(File.OpenHandle(PathOf(name), mode, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete));

    private static bool IsDiskFull(IOException e) => e.HResult is NoSpaceLeft or QuotaExceeded or WindowsDiskFull;

    private sealed class RealFile(SafeFileHandle handle) : ILogFile
    {
        /// <summary>Zeros are written in pieces, or a commit that comes behind them waits for long.</summary>
        private const int PieceBytes = 1 << 20;

        /// <summary>
        /// Past the page cache, so many zeros share a sync: commits beside them, whose syncs are the disk's and so theirs
        /// too, have taken most of them there already.
        /// </summary>
        private const int SyncEveryBytes = 4 << 20;

        private readonly DirectWrites _direct = new(handle);

        public long Length => RandomAccess.GetLength(handle);

        public int Read(long offset, Span<byte> buffer)
        {
            var total = 0;
            while (total < buffer.Length && RandomAccess.Read(handle, buffer[total..], offset + total) is > 0 and var read)
            {
                total += read;
            }

            return total;
        }

        public void Write(long offset, ReadOnlySpan<byte> bytes, LogStep step)
        {
            try
            {
                if (!_direct.TryWrite(offset, bytes))
                {
                    RandomAccess.Write(handle, bytes, offset);
                }
            }
            catch (IOException e) when (IsDiskFull(e))
            {
                throw new LogDiskFullException(e.Message, e);
            }
        }

        public void Zero(long offset, long length, LogStep step)
        {
            var unsynced = 0;
            for (long done = 0; done < length;)
            {
                var piece = (int)Math.Min(PieceBytes, length - done);
                var passedCache = ZeroPiece(offset + done, piece);
                unsynced += piece;
                if (!passedCache || unsynced >= SyncEveryBytes)
                {
                    Sync(step);
                    unsynced = 0;
                }

                if (!passedCache)
                {
                    PosixFile.Forget(handle, offset + done, piece); // So the next zeros find pages in use.
                }

                done += piece;
            }
        }

        public void Sync(LogStep step) => PosixFile.SyncData(handle);

        public void Dispose()
        {
            _direct.Dispose();
            handle.Dispose();
        }

        /// <returns>Whether the zeros passed the page cache by.</returns>
        private bool ZeroPiece(long offset, int length)
        {
            try
            {
                if (_direct.TryZero(offset, length))
                {
                    return true;
                }

                RandomAccess.Write(handle, HugePage.Zeros[..length], offset);
                return false;
            }
            catch (IOException e) when (IsDiskFull(e))
            {
                throw new LogDiskFullException(e.Message, e);
            }
        }
    }
}

/// <summary>The few system calls that .NET has no name for.</summary>
internal static partial class PosixFile
{
    private const int Interrupted = 4; // EINTR
    private const int InvalidArgument = 22; // EINVAL

    /// <summary>fdatasync where there is one: a zero-filled file then has no metadata to journal.</summary>
    public static void SyncData(SafeFileHandle file)
    {
        if (!OperatingSystem.IsLinux())
        {
            RandomAccess.FlushToDisk(file);
            return;
        }

        while (FDataSync(file) != 0)
        {
            ThrowUnlessInterrupted("fdatasync");
        }
    }

    /// <summary>Windows has no such call and needs none.</summary>
    public static void SyncDirectory(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        var descriptor = Open(path, 0, 0);
        if (descriptor < 0)
        {
            throw new IOException($"Can't open directory {path}: {Marshal.GetLastPInvokeErrorMessage()}");
        }

        try
        {
            while (FSync(descriptor) != 0)
            {
                ThrowUnlessInterrupted("fsync of a directory");
            }
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    /// <summary>A second handle of an open file, whose writes pass the page cache by; null where the system or the file system has no such thing.</summary>
    public static SafeFileHandle? TryReopenDirect(SafeFileHandle file)
    {
        var direct = RuntimeInformation.ProcessArchitecture switch
        {
            _ when !OperatingSystem.IsLinux() => 0,
            Architecture.X64 => 0x4000,
            Architecture.Arm64 => 0x10000,
            _ => 0,
        };
        if (direct is 0)
        {
            return null;
        }

        // By its descriptor: the file may have been renamed since it was opened.
        const int WriteOnly = 1;
        const int CloseOnExec = 0x80000;
        var descriptor = Open($"/proc/self/fd/{file.DangerousGetHandle()}", WriteOnly | CloseOnExec | direct, 0);
        return descriptor < 0 ? null : new SafeFileHandle(descriptor, ownsHandle: true);
    }

    /// <summary>Gives pages that are on disk back: what is in the file stays, and is read from the disk.</summary>
    public static void Forget(SafeFileHandle file, long offset, long length)
    {
        if (OperatingSystem.IsLinux())
        {
            const int DontNeed = 4;
            _ = FAdvise(file, offset, length, DontNeed); // An advice: whether it is taken is all the same.
        }
    }

    /// <summary>Asks for huge pages where the memory is not touched yet.</summary>
    public static void PreferHugePages(nint address, nint length)
    {
        if (OperatingSystem.IsLinux())
        {
            const int HugePage = 14;
            _ = MAdvise(address, length, HugePage); // An advice, too.
        }
    }

    public static bool IsInvalidArgument(IOException e) => e.HResult is InvalidArgument;

    private static void ThrowUnlessInterrupted(string call)
    {
        if (Marshal.GetLastPInvokeError() != Interrupted)
        {
            throw new IOException($"{call} failed: {Marshal.GetLastPInvokeErrorMessage()}");
        }
    }

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    private static partial int FDataSync(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int FAdvise(SafeFileHandle file, long offset, long length, int advice);

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int MAdvise(nint address, nint length, int advice);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FSync(int file);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int file);
}
