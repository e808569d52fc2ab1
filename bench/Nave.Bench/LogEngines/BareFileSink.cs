using Microsoft.Win32.SafeHandles;
using Nave.Bench.Linux;

namespace Nave.Bench.LogEngines;

/// <summary>
/// The limit: a file whose blocks are there and zero-filled already, one write and one fdatasync a batch. No framing, no
/// checksum, no numbering, no index, no retention; at its end it begins again.
/// </summary>
internal sealed class BareFileSink : IBatchSink
{
    /// <summary>Its size.</summary>
    public const int FileBytes = 256 << 20;

    private readonly SafeFileHandle _file;
    private long _at;

    public BareFileSink(string directory)
    {
        _file = File.OpenHandle(Path.Combine(directory, "bare"), FileMode.Create, FileAccess.Write, FileShare.None, FileOptions.DeleteOnClose);
        var zeros = new byte[1 << 20];
        for (var at = 0; at < FileBytes; at += zeros.Length)
        {
            RandomAccess.Write(_file, zeros, at);
        }

        RandomAccess.FlushToDisk(_file);
    }

    public void Commit(RecordsToCommit records)
    {
        var bytes = records.Bytes;
        if (_at + bytes.Length > FileBytes)
        {
            _at = 0;
        }

        RandomAccess.Write(_file, bytes, _at);
        if (Libc.SyncData((int)_file.DangerousGetHandle()) < 0)
        {
            throw new IOException("fdatasync failed");
        }

        _at += bytes.Length;
    }

    public void Dispose() => _file.Dispose();
}
