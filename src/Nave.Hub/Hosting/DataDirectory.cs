using System.Diagnostics;
using System.Text.Json;

namespace Nave.Hub.Hosting;

/// <summary>
/// The data directory and its lock, held for the life of the hub: one process owns the data. The operating system
/// releases the lock when the process dies, however it dies.
/// </summary>
internal sealed class DataDirectory : IDisposable
{
    /// <summary>The format that this program writes. Migrations from lower ones are forward only.</summary>
    public const int CurrentFormat = 1;

    private const string LockFileName = "lock";

    // Who holds the lock stands beside it: on Unix a locked file cannot be read through the class library.
    private const string HolderFileName = "lock.json";
    private const string FormatFileName = "format.json";
    private readonly FileStream _lock;

    private DataDirectory(string path, FileStream held)
    {
        Root = path;
        _lock = held;
    }

    /// <summary>Its absolute path.</summary>
    public string Root { get; }

    /// <summary>The path of something in it.</summary>
    public string PathOf(string name) => Path.Combine(Root, name);

    /// <summary>Creates the directory if need be, locks it and checks its format.</summary>
    /// <exception cref="StartFailureException">Another process holds it, it cannot be written, or a newer program wrote it.</exception>
    public static DataDirectory Open(string path, string version, TimeProvider time)
    {
        var root = Path.GetFullPath(path);
        try
        {
            CreateForOwner(root);
            var held = new FileStream(
                Path.Combine(root, LockFileName), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            var directory = new DataDirectory(root, held);
            try
            {
                directory.SayWhoHoldsIt(time);
                directory.CheckFormat(version);
                return directory;
            }
            catch
            {
                directory.Dispose();
                throw;
            }
        }
        catch (IOException e) when (FindHolder(root) is { } holder)
        {
            throw new StartFailureException(
                $"The data directory {root} is in use by process {holder.ProcessId} ({holder.Process}), since {holder.Since:u}. "
                + "Stop that hub, or give this one a directory of its own with --data.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartFailureException(
                $"The data directory {root} cannot be opened: {e.Message} Check its owner and mode, or choose another with --data.", e);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _lock.Dispose();

    private static void CreateForOwner(string root)
    {
        if (Directory.Exists(root))
        {
            return;
        }

        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(root);
        }
        else
        {
            // Keys and messages lie here: nobody else has any business in it.
            Directory.CreateDirectory(root, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    private void SayWhoHoldsIt(TimeProvider time)
    {
        var holder = new LockHolder(Environment.ProcessId, Environment.ProcessPath ?? "nave", time.GetUtcNow());
        OwnerFile.Write(PathOf(HolderFileName), JsonSerializer.SerializeToUtf8Bytes(holder, HostingJson.Plain.LockHolder));
    }

    private void CheckFormat(string version)
    {
        var path = PathOf(FormatFileName);
        if (!File.Exists(path))
        {
            OwnerFile.Write(path, JsonSerializer.SerializeToUtf8Bytes(new DataFormat(CurrentFormat, version), HostingJson.Plain.DataFormat));
            return;
        }

        DataFormat? found;
        try
        {
            found = JsonSerializer.Deserialize(File.ReadAllBytes(path), HostingJson.Plain.DataFormat);
        }
        catch (JsonException e)
        {
            throw new StartFailureException($"{path} is damaged: {e.Message} Restore it from a backup of the data directory.", e);
        }

        if (found is null || found.Format is < 1 or > CurrentFormat)
        {
            throw new StartFailureException(
                $"The data directory {Root} has format {found?.Format}; this program, {version}, knows formats 1 to {CurrentFormat}. "
                + "It was written by a newer version: run that one, or restore the backup made before the upgrade.");
        }
    }

    // A holder that is gone (or ourselves, when the error is another) explains nothing.
    private static LockHolder? FindHolder(string root)
    {
        try
        {
            using var file = File.OpenRead(Path.Combine(root, HolderFileName));
            var holder = JsonSerializer.Deserialize(file, HostingJson.Plain.LockHolder);
            if (holder is null)
            {
                return null;
            }

            using var process = Process.GetProcessById(holder.ProcessId);
            return holder;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or ArgumentException)
        {
            return null;
        }
    }
}
