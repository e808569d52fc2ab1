using System.Security.Cryptography;
using System.Text;

namespace Nave.Storage.Keys;

/// <summary>
/// The keys that wrap other keys: a text file of mode 0600 in a folder of mode 0700, apart from the database. One key a
/// line, base64 of 32 bytes, oldest first: the last wraps, all unwrap, so that a new one can be appended.
/// </summary>
internal sealed class MasterKeys
{
    private const string Header = "nave master keys 1";
    private const int KeyBytes = 32;

    private readonly Dictionary<uint, byte[]> _byId = [];

    private MasterKeys(IEnumerable<byte[]> keys)
    {
        foreach (var key in keys)
        {
            CurrentId = IdOf(key);
            _byId[CurrentId] = key;
        }
    }

    public uint CurrentId { get; }

    /// <summary>Reads the file; null when there is none.</summary>
    public static MasterKeys? Read(string path)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        var lines = File.ReadAllLines(path).Where(line => line.Length > 0).ToArray();
        if (lines.Length < 2 || lines[0] != Header)
        {
            throw new NotOurDataException($"{path} is not a master key file of this version.");
        }

        return new MasterKeys(lines.Skip(1).Select(line => ReadKey(line, path)));
    }

    /// <summary>Writes a new file with one random key, synced before anything can be wrapped with it.</summary>
    public static MasterKeys Create(string path)
    {
        var key = RandomNumberGenerator.GetBytes(KeyBytes);
        CreateFolder(Path.GetDirectoryName(Path.GetFullPath(path))!);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        // Written aside and moved: a crash leaves no half file behind under the name that counts.
        var unfinished = path + ".tmp";
        File.Delete(unfinished);
        using (var file = new FileStream(unfinished, options))
        {
            file.Write(Encoding.ASCII.GetBytes($"{Header}\n{Convert.ToBase64String(key)}\n"));
            file.Flush(flushToDisk: true);
        }

        File.Move(unfinished, path, overwrite: false);
        DirectorySync.Sync(Path.GetDirectoryName(Path.GetFullPath(path))!);
        return new MasterKeys([key]);
    }

    public byte[]? Find(uint id) => _byId.GetValueOrDefault(id);

    private static uint IdOf(byte[] key) => BitConverter.ToUInt32(SHA256.HashData(key));

    private static byte[] ReadKey(string line, string path)
    {
        var key = new byte[KeyBytes];
        return Convert.TryFromBase64String(line, key, out var length) && length == KeyBytes
            ? key
            : throw new NotOurDataException($"{path} holds a line that is no key.");
    }

    private static void CreateFolder(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            Directory.CreateDirectory(folder);
            return;
        }

        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
